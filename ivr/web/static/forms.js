// Sends forms without leaving the page: what is typed, chosen or recorded elsewhere on it stays.
import { waitFor } from "./waiting.js";

const FIELDS = "main form :is(input, select, textarea), main .greeting input";
const MAX_WAIT_MS = 60000; // A connection that is dead says nothing.
const SLOWEST_BYTES_PER_MS = 1; // Of an upload.
const { unreachable, ended } = document.getElementById("content").dataset;

// While the service is restarted there is no response, or that of a proxy in front of it.
export const isAway = (response) => !response || response.status >= 500;

// Whether something on the page was typed, chosen or recorded, and not sent. `except`: elements whose fields do not count.
export function hasUnsent(root = document, except = []) {
  const isChanged = (field) => {
    if (field.type === "hidden" || except.some((element) => element.contains(field))) return false;
    if (field.options) {
      const chosen = [...field.options].find((option) => option.defaultSelected) ?? field.options[0];
      return Boolean(chosen) && !chosen.selected;
    }
    return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  };
  return root.querySelector("[data-unsent]") !== null || [...root.querySelectorAll(FIELDS)].some(isChanged);
}

// Choices of a moment, which nobody misses: words of a search, the phone that rings, messages that are selected.
const BRIEF = "[role=search], #call-back, form:has(#rows, table)";

// Who leaves the page with unsent input is asked by the browser first.
addEventListener("beforeunload", (event) => {
  if (hasUnsent(document, [...document.querySelectorAll(BRIEF)])) event.preventDefault();
});

// The text of an ended session: a link to a page of its own, so that this one can be sent afterwards.
export function sessionEnded() {
  const link = document.createElement("a");
  [link.href, link.target, link.rel, link.textContent] = ["/", "_blank", "noopener", ended];
  return link;
}

// Sends audio or the fields of a form, and tells meanwhile that the page waits. Returns the page or JSON that answers and
// the address of the page, or the problem: a text or a link, with the page that says it if there is one. Without `isFollowed` the page that follows is not fetched.
export const send = (address, body, { isFollowed = true, attempt = "" } = {}) => waitFor(exchange(address, body, { isFollowed, attempt }));

async function exchange(address, body, options) {
  try {
    let response = await post(address, body, options);
    if (response.status === 403 && await renewToken()) response = await post(address, body, options); // Another session since.
    if (isAway(response)) return { problem: unreachable };
    const next = response.headers.get("Location");
    const url = next ? new URL(next, location.href).href : response.url;
    if ((next || response.redirected) && isSignIn(url)) return { problem: sessionEnded() };
    if (next) return { url };
    if (response.headers.get("Content-Type") === "application/json") return { answer: await response.json(), url };
    const answer = await parse(response);
    if (response.ok) {
      takeToken(answer);
      return { answer, url };
    }
    const reason = answer.querySelector("main .problem[role=alert]") ?? answer.querySelector("main p");
    return { problem: reason?.textContent || response.statusText, answer };
  } catch { // The network is away.
    return { problem: unreachable };
  }
}

// Tells how it went, where it was sent.
export function tell(outcome, content, kind) {
  outcome.className = `outcome ${kind}`;
  outcome.replaceChildren(content);
}

// Tells above the view why something was not done; screen readers say it at once. `button`: what tries again.
export function showProblem(content, button = "") {
  for (const earlier of document.querySelectorAll("main > .problem")) earlier.remove();
  const shown = document.createElement("p");
  shown.className = "problem";
  shown.setAttribute("role", "alert");
  shown.append(content, " ", button);
  const status = document.getElementById("status");
  status.replaceChildren();
  status.after(shown);
}

const isSignIn = (url) => new URL(url).pathname === "/";
const parse = async (response) => new DOMParser().parseFromString(await response.text(), "text/html");
const tokenFields = (root) => root.querySelectorAll("input[name=csrf]");

// `attempt`: names one sending; the service does what has the same name once, also if its answer was lost.
function post(address, body, { isFollowed, attempt }) {
  const headers = { "X-CSRF-Token": tokenFields(document)[0].value };
  if (body instanceof URLSearchParams) body.delete("csrf");
  else headers["Content-Type"] = body.type || "application/octet-stream";
  if (!isFollowed) headers["X-Address-Only"] = "1";
  if (attempt) headers["X-Attempt"] = attempt;
  const signal = AbortSignal.timeout?.(MAX_WAIT_MS + (body.size ?? 0) / SLOWEST_BYTES_PER_MS);
  return fetch(address, { method: "POST", body, headers, signal });
}

function takeToken(answer) {
  const fresh = tokenFields(answer)[0]?.value;
  if (fresh) for (const field of tokenFields(document)) field.value = fresh;
  return Boolean(fresh);
}

async function renewToken() {
  const response = await fetch(location.href);
  return response.ok && !(response.redirected && isSignIn(response.url)) && takeToken(await parse(response));
}
