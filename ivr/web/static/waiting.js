// Tells that the page waits for the service, and sends a form once, however often its button is pressed.
const DELAY_MS = 400; // What is faster needs no word.
const RELEASE_MS = 10000; // A form whose page did not follow by then may be sent again.
const shown = document.getElementById("waiting");
let count = 0;
let timer = null;

const show = (progress) => { shown.textContent = `${shown.dataset.text} ${progress}`.trim(); };

function begin() {
  count += 1;
  timer ??= setTimeout(show, DELAY_MS, "");
}

function end() {
  count -= 1;
  if (count > 0) return;
  clearTimeout(timer);
  timer = null;
  shown.replaceChildren();
}

// Tells that the page waits until `promise` has an outcome. Returns that.
export async function waitFor(promise) {
  begin();
  try {
    return await promise;
  } finally {
    end();
  }
}

// Tells how far something is that takes long.
export function showProgress(progress) {
  if (count > 0) show(progress);
}

// Tells that the page waits between two events, as long as the function that it returns was not called.
export function startWaiting() {
  begin();
  let isOver = false;
  return () => {
    if (!isOver) end();
    isOver = true;
  };
}

// Where the keyboard is nowhere, as the button that was pressed is gone or another page came, it goes to what is told about
// what was done: to its button, else to its text, which screen readers read then.
export function focusOutcome() {
  if (document.activeElement !== document.body) return;
  const shown = document.querySelector("#status button, main > .problem button")
    ?? document.querySelector("#status .notice, main .notice, main .problem[role=alert]:not([hidden])");
  if (!shown) return;
  if (shown.tagName !== "BUTTON") shown.tabIndex = -1;
  shown.focus();
}
focusOutcome();

// Forms that no script sends.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (form.dataset.sending) return event.preventDefault();
  form.dataset.sending = "1";
  const stop = startWaiting();
  const release = () => {
    stop();
    delete form.dataset.sending;
  };
  setTimeout(release, RELEASE_MS);
  addEventListener("pageshow", release, { once: true });
});
