// The list of a folder or of a search: what is selected and done to it, and older messages, which are appended when the end of
// the list comes into view.
import { isAway, send, showProblem } from "./forms.js";
import { focusOutcome, showProgress, waitFor } from "./waiting.js";

const RETRY_MS = 2000;
const PART = 200; // Messages that are changed at a time: if the network fails on the way, the rest stays selected.
const MAX_ROWS = 200; // As many are kept up to date by live.js.
const MOVES = ["save", "delete", "restore", "new", "move"];
const rows = document.getElementById("rows");
const form = rows.closest("form");
const status = document.getElementById("status");
const address = form.getAttribute("action");
const shown = form.elements.q ?? form.elements.folder; // The search or the folder.
const isSearch = shown.name === "q";
const { undo: undoText, undone, lost: lostText, nothing } = form.dataset;
const number = new Intl.NumberFormat(document.documentElement.lang);

// Messages that are selected in a folder or a search stay so while the owner undoes, searches or reads something.
const SELECTED = `selected ${address} ${shown.value}`;
const selected = new Set(JSON.parse(sessionStorage.getItem(SELECTED) ?? "[]"));
let wholeFrom = null; // Time from which on older messages are selected, too, whether they are appended yet or not; Unix seconds.
let isChanging = false;
let unfinished = null; // A change on whose way the network failed.

const boxes = () => rows.querySelectorAll("input[name=id]");
const more = () => rows.querySelector("[data-more]");
const timeOf = (box) => Date.parse(box.closest("li").querySelector("time").dateTime) / 1000;

function store() {
  sessionStorage.setItem(SELECTED, JSON.stringify([...selected]));
}

function mark(box) {
  selected[box.checked ? "add" : "delete"](box.value);
}

// Shows what is selected, also in rows and controls that have come since.
function showSelection() {
  const all = document.getElementById("select-all");
  const whole = document.getElementById("select-whole");
  let areAll = true;
  for (const box of boxes()) {
    if (wholeFrom !== null && timeOf(box) <= wholeFrom) selected.add(box.value);
    box.checked = selected.has(box.value);
    areAll &&= box.checked;
  }
  if (!all) return;
  all.checked = areAll;
  whole.checked = wholeFrom !== null;
  whole.parentElement.hidden = !more() || !(areAll || whole.checked);
}

document.addEventListener("change", ({ target }) => {
  if (!["select-all", "select-whole"].includes(target.id) && target.name !== "id") return;
  if (!target.checked) wholeFrom = null;
  if (target.id === "select-whole" && target.checked) wholeFrom = Number(new URL(more().href).searchParams.get("after").split(".")[0]);
  else if (target.id === "select-all") {
    for (const box of boxes()) {
      box.checked = target.checked;
      mark(box);
    }
  } else if (target.name === "id") mark(target);
  showSelection();
  store();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { value: action, dataset: { done, undo } } = event.submitter;
  const ids = [...boxes()].filter((box) => box.checked).map((box) => box.value);
  const after = (wholeFrom !== null && more()?.getAttribute("href")) || "";
  const rest = unfinished?.action === action ? unfinished.rest.filter((id) => selected.has(id)) : []; // Its rows may be gone.
  if (ids.length === 0 && rest.length === 0 && !after) return showNotice(nothing);
  change({ action, ids, done, undo, after });
});

// The button of a page that came with what has just been done.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.notice")) return;
  event.preventDefault();
  const fields = new FormData(event.target);
  change({ action: fields.get("action"), ids: fields.getAll("id"), to: fields.get("to"), isUndo: true });
});

// Changes messages part by part, then tells what became of them. `after`: address of the part of the list from which on all
// are changed, too; `done` and `undo`: the sentence about it, and the action that takes it back.
async function change({ action, ids, done = undone, undo = "", to = "", after = "", isUndo = false }) {
  if (isChanging) return;
  isChanging = true;
  document.body.dataset.changing = "1"; // The page is brought up to date once, at the end.
  const { changed, lost, rest } = unfinished?.action === action ? unfinished : { changed: [], lost: [], rest: [] };
  let queue = [...new Set([...rest.filter((id) => selected.has(id)), ...ids])];
  let [next, problem] = [after, ""];
  while (!problem && (queue.length > 0 || next)) {
    if (queue.length === 0) {
      ({ ids: queue, next, problem } = await fetchIds(next));
      continue;
    }
    const part = queue.slice(0, PART);
    const body = new URLSearchParams([["action", action], ["to", to], ["part", "1"], ...part.map((id) => ["id", id])]);
    const outcome = await send(address, body);
    problem = outcome.problem ?? "";
    if (problem) break;
    queue = queue.slice(PART);
    // All that was in the folder was moved, also if the answer to an earlier try did not arrive.
    const isMoved = MOVES.includes(action) && !isSearch && !isUndo;
    const gone = new Set(outcome.answer.lost);
    lost.push(...gone);
    changed.push(...(isMoved ? part.filter((id) => !gone.has(id)) : outcome.answer.changed));
    for (const id of part) selected.delete(id);
    removeRows(isMoved ? new Set(part) : gone);
    showProgress(number.format(changed.length));
  }
  unfinished = problem && !isUndo ? { action, changed, lost, rest: queue } : null;
  if (!isUndo) for (const id of queue) selected.add(id);
  isChanging = false;
  delete document.body.dataset.changing;
  if (!problem) wholeFrom = null;
  if (changed.length > 0 || lost.length > 0 || !problem) {
    const sentences = [done.replace("#", number.format(changed.length))];
    if (lost.length > 0) sentences.push(lostText.replace("#", number.format(lost.length)));
    showNotice(sentences.join(" "), undo && changed.length > 0 ? { action: undo, ids: changed, to: isSearch ? "previous" : shown.value, isUndo: true } : null);
  }
  if (problem) showProblem(problem, isUndo ? undoButton({ action, ids: queue, to, isUndo }) : ""); // Of the rest.
  store();
  showSelection();
  if (isUndo || !MOVES.includes(action)) cutRows();
  document.dispatchEvent(new Event("page-outdated"));
}

// Who leaves on the way is asked first: the rest would stay as it is.
addEventListener("beforeunload", (event) => {
  if (isChanging) event.preventDefault();
});

// Returns the ids of a part of the list, and the address of the part behind it, or the problem.
async function fetchIds(part) {
  const { unreachable } = document.getElementById("content").dataset;
  const response = await waitFor(fetch(`${part}&part=ids`)).catch(() => null);
  const answer = isAway(response) || response.redirected || !response.ok ? null : await response.json().catch(() => null);
  if (!answer) return { ids: [], next: part, problem: unreachable };
  return { ids: answer.ids, next: answer.next && part.replace(/after=.*$/, `after=${answer.next}`), problem: "" };
}

function removeRows(ids) {
  for (const box of boxes()) if (ids.has(box.value)) box.closest("li").remove();
}

// Leaves the rows that live.js brings up to date; the older ones are appended again.
function cutRows() {
  for (const row of [...rows.children].slice(MAX_ROWS)) row.remove();
}

function undoButton(undo) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: undoText });
  button.addEventListener("click", () => change(undo));
  return button;
}

function showNotice(text, undo = null) {
  for (const problem of document.querySelectorAll("main > .problem")) problem.remove();
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.append(Object.assign(document.createElement("span"), { textContent: text }));
  if (undo) notice.append(undoButton(undo));
  status.replaceChildren(notice);
}

async function append(link) {
  const response = await waitFor(fetch(`${link.href}&part=1`)).catch(() => null);
  if (isAway(response)) { // The service is restarted, or the network is away.
    setTimeout(() => { delete link.dataset.watched; watch(); }, RETRY_MS);
    return;
  }
  if (!response.ok || response.redirected) return location.assign(link.href);
  const holder = document.createElement("ul");
  holder.innerHTML = await response.text();
  if (!link.isConnected) return; // The list was replaced meanwhile.
  const hadFocus = document.activeElement === link;
  const added = [...holder.children];
  link.parentElement.replaceWith(...added);
  showSelection();
  if (hadFocus) added[0]?.querySelector("a")?.focus();
  watch();
}

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    append(entry.target);
  }
}, { rootMargin: "400px" });

function watch() {
  const link = more();
  if (!link || link.dataset.watched) return;
  link.dataset.watched = "1";
  observer.disconnect();
  observer.observe(link);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    observer.unobserve(link);
    append(link);
  }, { once: true });
}

for (const { value } of document.querySelectorAll("form.notice input[name=id]")) selected.delete(value); // Just changed.
document.documentElement.classList.add("scripted");
showSelection();
store();
watch();
document.addEventListener("page-refreshed", () => {
  showSelection();
  watch();
  focusOutcome();
});
