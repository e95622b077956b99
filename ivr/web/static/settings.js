// Settings: each greeting and each form is sent alone, and what is typed or recorded in the others stays.
import { hasUnsent, send, tell } from "./forms.js";
import { startRecorder } from "./recorder.js";

for (const part of document.querySelectorAll(".greeting, main > form")) start(part);

function start(part) {
  for (const form of part.matches("form") ? [part] : part.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      change(part, form.action, new URLSearchParams(new FormData(form)), part.querySelector(".recorder"));
    });
  }
  const recorder = part.querySelector(".recorder");
  if (recorder?.hidden) startGreeting(recorder);
}

// Sends a part, and replaces it by that of the page that answers. `recorder`: of the part, if it stays as it is.
async function change(part, address, body, recorder) {
  if (part.dataset.sending) return;
  part.dataset.sending = "1";
  const { answer, url, problem } = await send(address, body);
  delete part.dataset.sending;
  if (problem) return tell(refused(part, answer).querySelector(".outcome"), problem, "problem");
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

// Returns the part in which a problem is told: where something was changed elsewhere, that of the answer, which shows it.
function refused(part, answer) {
  const shown = (root) => root?.querySelector("[name=shown]")?.value;
  if (!shown(part) || !shown(answer) || shown(part) === shown(answer)) return part;
  const next = answer.getElementById(part.id);
  next.dataset.unsent = "1";
  part.replaceWith(next);
  start(next);
  next.querySelector("button.main").focus(); // It was pressed, and is pressed again to save all the same.
  return next;
}

// Greetings are recorded in the browser or chosen as a file, heard, and then put to use.
function startGreeting(box) {
  const file = box.querySelector("input[type=file]");
  const preview = box.querySelector(".preview");
  const player = preview.querySelector("audio");
  const use = box.querySelector(".use");
  const card = () => box.closest(".greeting");
  const say = (text) => tell(card().querySelector(".outcome"), text, text && "problem");
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

  const recorder = startRecorder(box.querySelector(".record"), {
    texts: card().dataset,
    onStart() {
      say("");
      box.dataset.unsent = "1";
    },
    onRecorded: offer,
    onRefused() { say(card().dataset.failed); },
  });

  file.addEventListener("change", async () => {
    if (!file.files[0]) return;
    await recorder.stop();
    offer(file.files[0]);
  });

  use.addEventListener("click", async () => {
    await recorder.stop(); // Who uses a recording while a new one is made means the new one.
    const until = box.querySelector("input[name=until]")?.value || "";
    change(card(), `${card().dataset.address}?${new URLSearchParams({ until })}`, audio);
  });
}
