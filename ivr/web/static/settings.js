// Settings: each greeting and each form is sent alone, and what is typed or recorded in the others stays.
import { hasUnsent, send, tell } from "./forms.js";

for (const part of document.querySelectorAll(".greeting, main > form")) start(part);

function start(part) {
  for (const form of part.matches("form") ? [part] : part.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      change(part, form.action, new URLSearchParams(new FormData(form)), part.querySelector(".recorder"));
    });
  }
  const recorder = part.querySelector(".recorder");
  if (recorder?.hidden) startRecorder(recorder);
}

// Sends a part, and replaces it by that of the page that answers. `recorder`: of the part, if it stays as it is.
async function change(part, address, body, recorder) {
  if (part.dataset.sending) return;
  part.dataset.sending = "1";
  const { answer, url, problem } = await send(address, body);
  delete part.dataset.sending;
  if (problem) return tell(part.querySelector(".outcome"), problem, "problem");
  const next = answer.getElementById(part.id);
  if (!next) return location.assign(url);
  const { languageLater } = answer.getElementById("settings").dataset;
  if (recorder) next.querySelector(".recorder").replaceWith(recorder);
  part.replaceWith(next);
  const { lang } = answer.documentElement;
  const isOtherLanguage = lang !== document.documentElement.lang;
  if (isOtherLanguage && !hasUnsent()) return location.assign(url);
  start(next);
  const outcome = next.querySelector(".outcome");
  const said = [answer.querySelector("#status .notice")?.textContent ?? ""];
  if (isOtherLanguage) { // The page follows when nothing is left that loading it again would lose.
    next.lang = lang;
    said.push(languageLater);
  }
  tell(outcome, said.join(" "), "notice");
  outcome.tabIndex = -1;
  outcome.focus(); // The button that was pressed is gone.
}

// Greetings are recorded in the browser or chosen as a file, heard, and then put to use.
function startRecorder(box) {
  const record = box.querySelector(".record");
  const file = box.querySelector("input[type=file]");
  const preview = box.querySelector(".preview");
  const player = preview.querySelector("audio");
  const use = box.querySelector(".use");
  const card = () => box.closest(".greeting");
  let recorder = null;
  let stopped = null; // Resolves when the recorder has stopped and the recording is complete.
  let audio = null;
  box.hidden = false;

  function offer(blob) {
    audio = blob;
    if (player.src) URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(blob);
    preview.hidden = false;
    box.dataset.unsent = "1";
    use.focus();
  }

  async function stopRecording() {
    if (recorder?.state === "recording") recorder.stop();
    await stopped;
  }

  record.addEventListener("click", async () => {
    if (recorder?.state === "recording") return stopRecording();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      recorder = new MediaRecorder(stream);
    } catch { // Forbidden, no microphone, or a browser that does not record.
      for (const track of stream?.getTracks() ?? []) track.stop();
      return tell(card().querySelector(".outcome"), card().dataset.failed, "problem");
    }
    const chunks = [];
    tell(card().querySelector(".outcome"), "", "");
    recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
    stopped = new Promise((resolve) => recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      record.textContent = card().dataset.record;
      offer(new Blob(chunks, { type: recorder.mimeType }));
      resolve();
    }));
    recorder.start();
    box.dataset.unsent = "1";
    record.textContent = card().dataset.stop;
  });

  file.addEventListener("change", async () => {
    if (!file.files[0]) return;
    await stopRecording();
    offer(file.files[0]);
  });

  use.addEventListener("click", async () => {
    await stopRecording(); // Who uses a recording while a new one is made means the new one.
    const until = box.querySelector("input[name=until]")?.value || "";
    change(card(), `${card().dataset.address}?${new URLSearchParams({ until })}`, audio);
  });
}
