// The administrator's page: forms are sent without leaving it, so that what is typed stays if they are refused.
import { isAway, send, sessionEnded, showProblem } from "./forms.js";
import { waitFor } from "./waiting.js";

const content = document.getElementById("content");

content.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.getAttribute("method") !== "post") return;
  event.preventDefault();
  if (form.dataset.sending) return; // A second click does nothing a second time.
  form.dataset.sending = "1";
  const { answer, problem } = await send(form.getAttribute("action"), new URLSearchParams(new FormData(form)));
  delete form.dataset.sending;
  if (problem) {
    const [seen, now] = [form, answer].map((root) => root?.querySelector("input[name=seen]"));
    if (seen && now) seen.value = now.value; // Whoever was told may go on.
    return showProblem(problem);
  }
  content.replaceChildren(...answer.getElementById("content").childNodes);
  const status = document.getElementById("status");
  status.tabIndex = -1;
  status.focus(); // The button that was pressed is gone.
});

// What takes seconds follows when the view is there. Its link stays where that fails, and opens it, too.
const later = content.querySelector("a[data-follows]");
if (later) {
  waitFor(fetch(later.href).then(async (response) => {
    if (isAway(response)) return showProblem(content.dataset.unreachable);
    if (response.redirected) return showProblem(sessionEnded());
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    content.replaceChildren(...answer.getElementById("content").childNodes);
  }).catch(() => showProblem(content.dataset.unreachable)));
}
