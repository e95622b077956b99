// The list of a folder: selects all, keeps what is selected until it is changed, and appends older messages when the end of the list comes into view.
const RETRY_MS = 2000;
const rows = document.getElementById("rows");

// Messages that are selected in a folder or a search stay so while the owner undoes, searches or reads something.
const form = rows.closest("form");
const SELECTED = `selected ${form.getAttribute("action")} ${(form.elements.q ?? form.elements.folder).value}`;
const selected = new Set(JSON.parse(sessionStorage.getItem(SELECTED) ?? "[]"));
for (const { value } of document.querySelectorAll("form.notice input[name=id]")) selected.delete(value); // Just changed.

function select() {
  for (const box of rows.querySelectorAll("input[name=id]")) if (selected.has(box.value)) box.checked = true;
}

function remember() {
  for (const box of rows.querySelectorAll("input[name=id]")) selected[box.checked ? "add" : "delete"](box.value);
  sessionStorage.setItem(SELECTED, JSON.stringify([...selected]));
}

select();
remember();
document.documentElement.classList.add("scripted");
document.addEventListener("change", (event) => {
  if (event.target.id === "select-all") {
    for (const box of rows.querySelectorAll("input[name=id]")) box.checked = event.target.checked;
  }
  remember();
});

async function append(link) {
  const response = await fetch(`${link.href}&part=1`).catch(() => null);
  if (!response || response.status >= 500) { // The service is restarted, or the network is away.
    setTimeout(() => { delete link.dataset.watched; watch(); }, RETRY_MS);
    return;
  }
  if (!response.ok || response.redirected) return location.assign(link.href);
  const holder = document.createElement("ul");
  holder.innerHTML = await response.text();
  const hadFocus = document.activeElement === link;
  const added = [...holder.children];
  link.parentElement.replaceWith(...added);
  select();
  const all = document.getElementById("select-all");
  if (all) all.checked = false;
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
  const link = rows.querySelector("[data-more]");
  if (!link || link.dataset.watched) return;
  link.dataset.watched = "1";
  observer.observe(link);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    observer.unobserve(link);
    append(link);
  }, { once: true });
}
watch();
document.addEventListener("page-refreshed", watch);
