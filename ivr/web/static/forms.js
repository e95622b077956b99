// Sends forms without leaving the page: what is typed, chosen or recorded elsewhere on it stays.
const FIELDS = "main form :is(input, select, textarea), main .greeting input";
const { unreachable, ended } = document.getElementById("content").dataset;

// While the service is restarted there is no response, or that of a proxy in front of it.
export const isAway = (response) => !response || response.status >= 500;

// Whether something on the page was typed, chosen or recorded, and not sent. Fields within `except` do not count.
export function hasUnsent(root = document, except = "") {
  const isChanged = (field) => {
    if (field.type === "hidden" || (except && field.closest(except))) return false;
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
  if (hasUnsent(document, BRIEF)) event.preventDefault();
});

// The text of an ended session: a link to a page of its own, so that this one can be sent afterwards.
export function sessionEnded() {
  const link = document.createElement("a");
  [link.href, link.target, link.rel, link.textContent] = ["/", "_blank", "noopener", ended];
  return link;
}

// Sends audio or the fields of a form. Returns the page that answers and its address, or the problem: a text or a link.
export async function send(address, body) {
  try {
    let response = await post(address, body);
    if (response.status === 403 && await renewToken()) response = await post(address, body); // Another session since.
    if (isAway(response)) return { problem: unreachable };
    if (isSignIn(response)) return { problem: sessionEnded() };
    const answer = await parse(response);
    if (response.ok) {
      takeToken(answer);
      return { answer, url: response.url };
    }
    const reason = answer.querySelector("main .problem[role=alert]") ?? answer.querySelector("main p");
    return { problem: reason?.textContent || response.statusText };
  } catch { // The network is away.
    return { problem: unreachable };
  }
}

// Tells how it went, where it was sent.
export function tell(outcome, content, kind) {
  outcome.className = `outcome ${kind}`;
  outcome.replaceChildren(content);
}

// Tells above the view why something was not done; screen readers say it at once.
export function showProblem(content) {
  for (const earlier of document.querySelectorAll("main > .problem")) earlier.remove();
  const shown = document.createElement("p");
  shown.className = "problem";
  shown.setAttribute("role", "alert");
  shown.append(content);
  const status = document.getElementById("status");
  status.replaceChildren();
  status.after(shown);
}

const isSignIn = (response) => response.redirected && new URL(response.url).pathname === "/";
const parse = async (response) => new DOMParser().parseFromString(await response.text(), "text/html");
const tokenFields = (root) => root.querySelectorAll("input[name=csrf]");

function post(address, body) {
  const headers = { "X-CSRF-Token": tokenFields(document)[0].value };
  if (body instanceof URLSearchParams) body.delete("csrf");
  else headers["Content-Type"] = body.type || "application/octet-stream";
  return fetch(address, { method: "POST", body, headers });
}

function takeToken(answer) {
  const fresh = tokenFields(answer)[0]?.value;
  if (fresh) for (const field of tokenFields(document)) field.value = fresh;
  return Boolean(fresh);
}

async function renewToken() {
  const response = await fetch(location.href);
  return response.ok && !isSignIn(response) && takeToken(await parse(response));
}
