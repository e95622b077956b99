// Keeps the page up to date: fetches it again when its mailbox has changed, and replaces what is different.
import { hasUnsent, sessionEnded } from "./forms.js";

const REGIONS = ["folders", "boxes", "bar", "actions", "message-title", "transcript"];
const MAX_PARTS = 4; // Parts of a long list that are fetched again; rows after them stay as they are.
const RETRY_MS = 10000; // Until a stream that was refused is asked for again.
const REFRESH_MS = 2000; // Until a page that could not be fetched is fetched again.
const MAX_WAIT_MS = 60000; // A connection that is dead says nothing; the service sends a line every 20 s.
const { live, changes, arrived, gone } = document.body.dataset;
const { page } = document.getElementById("content").dataset;
const notice = document.getElementById("live");
const served = new Map(REGIONS.map((id) => [id, document.getElementById(id)?.outerHTML]));
let known = changes;
let source = null;
let silence = null; // Timer of a stream that says nothing any more.
let retry = null; // Timer of the next try after a failed one.
let isRefreshing = false;
let isOutdated = false;
let isOwnChange = false; // What comes back to the list by it has not arrived just now.

const newMessages = (root) => Number((root.getElementById("folders") ?? root.getElementById("boxes"))?.dataset.new ?? 0);
const rowKey = (row) => row.querySelector("input[name=id]")?.value ?? "more";
const messageRows = (list) => list.querySelectorAll("input[name=id]").length;

async function refresh() {
  if (isRefreshing || document.body.dataset.changing) { isOutdated = true; return; }
  isRefreshing = true;
  do {
    isOutdated = false;
    await fetchPage().catch(tryAgain);
  } while (isOutdated);
  isRefreshing = false;
}

// The service is restarted, or the network is away: what changed meanwhile is fetched with the next event, or now and then.
function tryAgain() {
  known = null;
  retry ??= setTimeout(() => { retry = null; refresh(); }, REFRESH_MS);
}

async function fetchPage() {
  const response = await fetch(page ?? location.href, { signal: AbortSignal.timeout?.(MAX_WAIT_MS) });
  if (response.redirected) return hasUnsent() ? notice.replaceChildren(sessionEnded()) : location.reload();
  if (response.status === 404 && page) notice.textContent = gone;
  if (response.status >= 500) throw new Error(response.statusText);
  if (!response.ok) return;
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  const hasArrived = !isOwnChange && newMessages(next) > newMessages(document);
  isOwnChange = false;
  for (const id of REGIONS) replaceRegion(document.getElementById(id), next.getElementById(id));
  await replaceRows(document.getElementById("rows"), next.getElementById("rows"));
  if (hasArrived) { notice.textContent = arrived; showNotice(); }
  document.dispatchEvent(new Event("page-refreshed"));
}

function replaceRegion(now, next) {
  if (!now || !next || served.get(now.id) === next.outerHTML) return;
  served.set(now.id, next.outerHTML);
  const focused = now.contains(document.activeElement) ? document.activeElement : null;
  now.replaceWith(next);
  if (!focused) return;
  const same = [...next.querySelectorAll("a, button, input")].find((element) =>
    element.value === focused.value && element.getAttribute("href") === focused.getAttribute("href"));
  (same ?? next.querySelector("a, button"))?.focus();
}

async function replaceRows(list, fresh) {
  if (!list || !fresh) return;
  for (let part = 1; part < MAX_PARTS && messageRows(fresh) < messageRows(list); part += 1) {
    const more = fresh.querySelector("[data-more]");
    if (!more) break;
    const holder = document.createElement("ul");
    const response = await fetch(`${more.getAttribute("href")}&part=1`, { signal: AbortSignal.timeout?.(MAX_WAIT_MS) });
    if (!response.ok || response.redirected) throw new Error(response.statusText); // No rows, but a page.
    holder.innerHTML = await response.text();
    more.parentElement.replaceWith(...holder.children);
  }
  const old = [...list.children];
  let wanted = [...fresh.children];
  if (fresh.querySelector("[data-more]")) {
    const last = rowKey(wanted[wanted.length - 2]);
    const tail = old.slice(old.findIndex((row) => rowKey(row) === last) + 1);
    if (tail.length > 0 && tail.length < old.length) wanted = [...wanted.slice(0, -1), ...tail];
  }
  const oldByKey = new Map(old.map((row) => [rowKey(row), row]));
  const rows = wanted.map((row) => {
    const before = oldByKey.get(rowKey(row));
    if (!before || before === row) return row;
    if (rowKey(row) === "more" ? before.querySelector("a").href === row.querySelector("a").href : before.outerHTML === row.outerHTML) return before;
    const [box, boxBefore] = [row, before].map((each) => each.querySelector("input[name=id]"));
    if (box) box.checked = boxBefore.checked;
    return row;
  });
  const focusedRow = old.findIndex((row) => row.contains(document.activeElement));
  const wasLink = document.activeElement?.tagName === "A";
  const kept = new Set(rows);
  for (const row of old) if (!kept.has(row)) row.remove();
  let place = list.firstElementChild;
  for (const row of rows) {
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  if (focusedRow < 0 || list.contains(document.activeElement)) return;
  const same = rows.find((row) => rowKey(row) === rowKey(old[focusedRow])) ?? rows[Math.min(focusedRow, rows.length - 1)];
  (same ?? document.getElementById("content")).querySelector(wasLink ? "a" : "input, a")?.focus();
}

// Notices of the browser, for owners who have asked for them. They have no names: others may see the screen.
const noticeButton = document.getElementById("notices");
const NOTICES = "notices";
const wantsNotices = () => "Notification" in window && Notification.permission === "granted" && localStorage.getItem(NOTICES) === "on";
let endWait = null; // Ends the wait of a page that is not seen for its turn to be told.
let isTold = false; // Whether this page is told although it is not seen.

function showNotice() {
  if (!wantsNotices() || (document.hasFocus() && !document.hidden)) return;
  try {
    const shown = new Notification(noticeButton.dataset.title, { body: arrived, tag: live });
    shown.addEventListener("click", () => { window.focus(); shown.close(); });
  } catch {
    noticeButton.hidden = true;
  }
}

function canNotify() {
  if (!("Notification" in window) || !isSecureContext) return false;
  if (Notification.permission === "granted") return true;
  try { new Notification(""); } catch { return false; } // Browsers of phones have no notices of pages.
  return true; // Without permission nothing was shown.
}

function labelNotices() {
  if (!canNotify()) return;
  noticeButton.hidden = false;
  noticeButton.textContent = wantsNotices() ? noticeButton.dataset.off : noticeButton.dataset.on;
}

noticeButton.addEventListener("click", async () => {
  const isOn = !wantsNotices() && (await Notification.requestPermission()) === "granted";
  if (!isOn && Notification.permission !== "granted") notice.textContent = noticeButton.dataset.refused;
  localStorage.setItem(NOTICES, isOn ? "on" : "off");
  labelNotices();
});
labelNotices();

// Of several pages with the same mailboxes that are not seen, one is told.
function waitUnseen() {
  if (!wantsNotices() || !navigator.locks || endWait) return;
  const wait = new AbortController();
  endWait = () => wait.abort();
  navigator.locks.request(`${NOTICES} ${live}`, { signal: wait.signal }, () => {
    isTold = true;
    connect();
    return new Promise((resolve) => { endWait = resolve; });
  }).catch(() => {});
}

function beSeen() {
  endWait?.();
  endWait = null;
  isTold = false;
  connect();
}

function connect() {
  if (source || (document.hidden && !isTold)) return;
  if (!window.EventSource) { // The browser has no streams: looks now and then.
    const timer = setInterval(refresh, RETRY_MS);
    source = { close: () => clearInterval(timer) };
    return;
  }
  source = new EventSource(live);
  for (const event of ["open", "message", "beat"]) source.addEventListener(event, expectBeat);
  source.addEventListener("message", (event) => {
    if (event.data === known) return;
    known = event.data;
    refresh();
  });
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return; // It connects again by itself.
    source = null;
    refresh(); // No stream is to be had: looks again now and then.
    setTimeout(connect, RETRY_MS);
  });
}

function disconnect() {
  clearTimeout(silence);
  source?.close();
  source = null;
}

function reconnect() {
  disconnect();
  connect();
}

function expectBeat() {
  clearTimeout(silence);
  silence = setTimeout(reconnect, MAX_WAIT_MS);
}

// Browsers open few connections to a host, so a page that is not seen has none.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return beSeen();
  disconnect();
  waitUnseen();
});
document.addEventListener("page-outdated", () => { // Something was changed on the page itself.
  isOwnChange = true;
  refresh();
});
window.addEventListener("pagehide", disconnect);
window.addEventListener("online", reconnect);
window.addEventListener("pageshow", connect);
connect();
