// One message: the player, and the note in front of a message that is forwarded.
import { hasUnsent, isAway, send, showProblem, tell } from "./forms.js";
import { startRecorder } from "./recorder.js";
import { startWaiting } from "./waiting.js";

const SEEK_S = 5;
const END_S = 1; // An owner who moves into the last second has not heard the message.
const RETRY_MS = 1000;
const MAX_PAUSE_MS = 20000; // Between two tries while the network stays away.
const MAX_TRIES = 30; // Of the audio, until its owner is told.
const player = document.getElementById("player");

const pause = (ms = RETRY_MS) => new Promise((resolve) => setTimeout(resolve, ms));

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
  const start = () => {
    isWanted = true;
    if (audio.error) load(place); // Who tries again after a failure means it.
    audio.play().catch(fail);
  };
  const load = (seconds) => {
    audio.load();
    audio.currentTime = seconds;
  };
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
    stopWaiting();
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      await pause();
      const response = await fetch(audio.src, { headers: { Range: "bytes=0-1" } }).catch(() => null);
      if (isAway(response)) continue;
      if (!response.ok || response.redirected) break;
      if (!audio.error) return; // Its owner has tried again.
      load(from);
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
  // On a slow network the audio may arrive later than it is played.
  let stopWaiting = () => {};
  audio.addEventListener("waiting", () => { stopWaiting(); stopWaiting = startWaiting(); });
  for (const event of ["playing", "pause", "ended", "emptied"]) audio.addEventListener(event, () => stopWaiting());
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
    for (let ms = RETRY_MS; ; ms = Math.min(2 * ms, MAX_PAUSE_MS)) {
      const response = await fetch(`${address}/heard${link}`, { method: "POST", headers: { "X-CSRF-Token": csrf } }).catch(() => null);
      if (!isAway(response)) return response.ok && !response.redirected;
      await pause(ms);
    }
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

  // If they do not arrive, the slider remains.
  const response = await fetch(`${address}/waveform${link}`).catch(() => null);
  if (!response || !response.ok || response.redirected) return;
  const { peaks } = await response.json().catch(() => ({}));
  const { default: WaveSurfer } = await import("./wavesurfer.esm.js").catch(() => ({}));
  if (!peaks || !WaveSurfer) return;
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

// Names what is sent until its answer has arrived. Browsers have UUIDs over TLS only.
const newAttempt = () => crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");

function startNote(form) {
  const record = document.getElementById("record");
  const file = document.getElementById("note-file");
  const status = document.getElementById("note-status");
  let recorded = null;
  let isSending = false; // A second click sends no second copy.
  let attempt = newAttempt();
  document.getElementById("note").hidden = false;
  window.addEventListener("pageshow", () => { isSending = false; });

  const recorder = startRecorder(record, {
    texts: form.dataset,
    onStart() {
      file.value = ""; // What was recorded or chosen last is the note.
      form.dataset.unsent = "1";
    },
    onRecorded(sound, seconds) {
      recorded = sound;
      attempt = newAttempt();
      status.textContent = form.dataset.recorded.replace("#", Math.round(seconds));
    },
    onRefused() { status.textContent = form.dataset.failed; },
  });

  file.addEventListener("change", async () => {
    if (!file.files[0]) return;
    await recorder.stop();
    recorded = null;
    status.textContent = "";
    attempt = newAttempt(); // Another note is sent, whatever became of the earlier one.
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    await recorder.stop(); // Who sends while the note is recorded has said it.
    const audio = file.files[0] || recorded;
    const query = new URLSearchParams({ to: form.elements.to.value });
    const { answer, problem } = await (audio ? send(`${form.action}?${query}`, audio, { attempt }) : send(form.action, query, { attempt }));
    isSending = false;
    const outcome = form.querySelector(".outcome");
    if (problem) return tell(outcome, problem, "problem");
    attempt = newAttempt();
    tell(outcome, "", "");
    recorded = null;
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

let call = newAttempt(); // A click after an answer that was lost calls no second time.

// The other forms leave the page once they are answered, unless numbers or a note wait to be sent.
document.addEventListener("submit", async (event) => {
  const form = event.target; // Its fields are named `id` and `action`, too, and hide its own.
  const id = form.getAttribute("id");
  if (!["actions", "call-back"].includes(id)) return;
  event.preventDefault();
  if (form.dataset.sending) return;
  form.dataset.sending = "1";
  const isFollowed = Boolean(forward) && hasUnsent(forward.parentElement);
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const { answer, url, problem } = await send(form.getAttribute("action"), body, { isFollowed, attempt: id === "call-back" ? call : "" });
  delete form.dataset.sending;
  if (!problem) call = newAttempt();
  if (problem) showProblem(problem);
  else if (answer) showOutcome(answer);
  else location.assign(url);
});

if (player) startPlayer();
const forward = document.getElementById("forward");
if (forward) startNote(forward);
