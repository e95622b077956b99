// One message: the player, and the note in front of a message that is forwarded.
import { hasUnsent, isAway, send, showProblem, tell } from "./forms.js";

const SEEK_S = 5;
const END_S = 1; // An owner who moves into the last second has not heard the message.
const RETRY_MS = 1000;
const MAX_TRIES = 30;
const player = document.getElementById("player");

const pause = () => new Promise((resolve) => setTimeout(resolve, RETRY_MS));

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

async function startPlayer() {
  const { address, link, csrf, nonce, lengthMs, introMs, play: playText, pause: pauseText, failed } = player.dataset;
  const audio = document.getElementById("audio");
  const play = document.getElementById("play");
  const seek = document.getElementById("seek");
  const time = document.getElementById("time");
  const problem = document.getElementById("player-problem");
  const length = lengthMs / 1000;
  let playsFrom = 0; // Position of the last seek, seconds.
  let place = 0; // The position shown, seconds.
  let isWanted = false; // Whether the owner wants it to play, also while the service is away.
  let isHeard = false;

  audio.controls = false;
  audio.preservesPitch = true;
  document.getElementById("controls").hidden = false;

  const moveTo = (seconds) => {
    const target = Math.min(Math.max(seconds, 0), length);
    // Before the audio is loaded, this is where it will begin to play.
    playsFrom = target;
    audio.preload = "auto";
    audio.currentTime = target;
    show(target);
  };
  const show = (seconds) => {
    place = seconds;
    seek.value = seconds;
    seek.setAttribute("aria-valuetext", clock(seconds));
    time.textContent = clock(seconds);
  };
  const start = () => { isWanted = true; audio.play().catch(fail); };
  const toggle = () => {
    if (audio.paused) return start();
    isWanted = false;
    audio.pause();
  };
  const fail = (error) => {
    if (error && (error.name === "AbortError" || audio.error)) return; // Of the latter the player learns by its event.
    problem.textContent = failed;
    problem.hidden = false;
  };
  // The service is away for a moment, as when it is restarted: goes on from the same place when it is back.
  const goOn = async () => {
    const from = place;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      await pause();
      const response = await fetch(audio.src, { headers: { Range: "bytes=0-1" } }).catch(() => null);
      if (isAway(response)) continue;
      if (!response.ok || response.redirected) break;
      audio.load();
      audio.currentTime = from;
      if (isWanted) start();
      return;
    }
    fail();
  };

  play.addEventListener("click", toggle);
  document.getElementById("back").addEventListener("click", () => moveTo(audio.currentTime - SEEK_S));
  document.getElementById("ahead").addEventListener("click", () => moveTo(audio.currentTime + SEEK_S));
  document.getElementById("speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
  seek.addEventListener("input", () => moveTo(Number(seek.value)));
  audio.addEventListener("play", () => { play.textContent = pauseText; problem.hidden = true; });
  audio.addEventListener("pause", () => { play.textContent = playText; });
  audio.addEventListener("error", goOn);
  audio.addEventListener("timeupdate", () => { if (!audio.error && audio.readyState > 0) show(audio.currentTime); });
  // Played to its end: the message is heard, as at the phone.
  audio.addEventListener("ended", async () => {
    play.textContent = playText;
    isWanted = false;
    const isMovedToEnd = playsFrom > 0 && playsFrom > length - END_S;
    if (isHeard || isMovedToEnd) return;
    isHeard = true;
    if (await markHeard()) player.dataset.heard = "1"; else isHeard = false;
  });
  const markHeard = async () => {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const response = await fetch(`${address}/heard${link}`, { method: "POST", headers: { "X-CSRF-Token": csrf } }).catch(() => null);
      if (!isAway(response)) return response.ok && !response.redirected;
      await pause();
    }
    return false;
  };
  player.addEventListener("keydown", (event) => {
    if (["SELECT", "INPUT"].includes(event.target.tagName) || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") moveTo(audio.currentTime - SEEK_S);
    else if (event.key === "ArrowRight") moveTo(audio.currentTime + SEEK_S);
    else return;
    event.preventDefault();
  });

  // The word that is said now lights up; a word that is clicked plays from there. The page may fetch the words later.
  const words = () => document.querySelectorAll("#transcript [data-start]");
  const light = () => {
    const now = audio.currentTime * 1000;
    for (const word of words()) word.classList.toggle("said", !audio.ended && now >= Number(word.dataset.start) && now < Number(word.dataset.end));
    if (!audio.paused) requestAnimationFrame(light);
  };
  for (const event of ["play", "seeked", "ended"]) audio.addEventListener(event, light);
  document.addEventListener("click", (event) => {
    const word = event.target.closest?.("#transcript [data-start]");
    if (!word || !getSelection().isCollapsed) return; // Words are selected to be copied, too.
    moveTo(Number(word.dataset.start) / 1000);
    start();
  });

  const response = await fetch(`${address}/waveform${link}`).catch(() => null);
  if (!response || !response.ok || response.redirected) return;
  const { peaks } = await response.json();
  const { default: WaveSurfer } = await import("./wavesurfer.esm.js");
  const container = document.getElementById("wave");
  const colors = getComputedStyle(container);
  const wave = WaveSurfer.create({
    container, height: 72, peaks: [peaks], duration: length, cspNonce: nonce, normalize: true, interact: false,
    waveColor: colors.color, progressColor: colors.getPropertyValue("--cursor").trim() || "currentColor",
    barWidth: 2, barGap: 1,
  });
  audio.addEventListener("timeupdate", () => wave.setTime(Math.min(audio.currentTime, length)));
  seek.addEventListener("input", () => wave.setTime(Number(seek.value)));
  container.parentElement.addEventListener("click", (event) => {
    const { left, width } = container.getBoundingClientRect();
    moveTo(((event.clientX - left) / width) * length);
    wave.setTime(Math.min(Math.max(((event.clientX - left) / width) * length, 0), length));
  });
  const intro = document.getElementById("intro");
  if (intro) intro.style.width = `${(introMs / lengthMs) * 100}%`;
  container.dataset.ready = "1";
}

function startNote(form) {
  const note = document.getElementById("note");
  const record = document.getElementById("record");
  const file = document.getElementById("note-file");
  const status = document.getElementById("note-status");
  let recorder = null;
  let recorded = null;
  let stopped = null; // Resolves when the recorder has stopped and the note is complete.
  let isSending = false; // A second click sends no second copy.
  note.hidden = false;
  window.addEventListener("pageshow", () => { isSending = false; });

  record.addEventListener("click", async () => {
    if (recorder && recorder.state === "recording") return recorder.stop();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      recorder = new MediaRecorder(stream);
    } catch { // Forbidden, no microphone, or a browser that does not record.
      for (const track of stream?.getTracks() ?? []) track.stop();
      status.textContent = form.dataset.failed;
      return;
    }
    const chunks = [];
    const began = performance.now();
    recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
    stopped = new Promise((resolve) => recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      recorded = new Blob(chunks, { type: recorder.mimeType });
      record.textContent = form.dataset.record;
      status.textContent = form.dataset.recorded.replace("#", Math.round((performance.now() - began) / 1000));
      resolve();
    }));
    file.value = ""; // What was recorded or chosen last is the note.
    form.dataset.unsent = "1";
    recorder.start();
    record.textContent = form.dataset.stop;
  });

  file.addEventListener("change", async () => {
    if (!file.files[0]) return;
    await stopRecording();
    recorded = null;
    status.textContent = "";
  });

  async function stopRecording() {
    if (recorder?.state === "recording") recorder.stop();
    await stopped;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    await stopRecording(); // Who sends while the note is recorded has said it.
    const audio = file.files[0] || recorded;
    const query = new URLSearchParams({ to: form.elements.to.value });
    const { answer, problem } = await (audio ? send(`${form.action}?${query}`, audio) : send(form.action, query));
    isSending = false;
    const outcome = form.querySelector(".outcome");
    if (problem) return tell(outcome, problem, "problem");
    tell(outcome, "", "");
    recorded = null;
    stopped = null;
    delete form.dataset.unsent;
    form.reset();
    status.textContent = "";
    showOutcome(answer);
  });
}

function showOutcome(answer) {
  const said = answer.querySelector("#status > *, .notice, main > .problem");
  for (const shown of document.querySelectorAll("main > .problem")) shown.remove();
  document.getElementById("status").replaceChildren(...(said ? [said] : []));
}

// While numbers or a note wait to be sent, the other forms do not leave the page.
document.addEventListener("submit", async (event) => {
  const form = event.target; // Its fields are named `id` and `action`, too, and hide its own.
  if (!["actions", "call-back"].includes(form.getAttribute("id")) || !forward || !hasUnsent(forward.parentElement)) return;
  event.preventDefault();
  const { answer, problem } = await send(form.getAttribute("action"), new URLSearchParams(new FormData(form, event.submitter)));
  if (answer) showOutcome(answer);
  else showProblem(problem);
});

if (player) startPlayer();
const forward = document.getElementById("forward");
if (forward) startNote(forward);
