// Greetings: recorded in the browser or chosen as a file, heard, and then put to use.
for (const card of document.querySelectorAll(".greeting")) start(card);

function start(card) {
  const record = card.querySelector(".record");
  const file = card.querySelector("input[type=file]");
  const preview = card.querySelector(".preview");
  const player = preview.querySelector("audio");
  const use = card.querySelector(".use");
  const status = card.querySelector(".recorder-status");
  let recorder = null;
  let audio = null;
  card.querySelector(".recorder").hidden = false;

  function offer(blob) {
    audio = blob;
    if (player.src) URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(blob);
    preview.hidden = false;
    use.focus();
  }

  record.addEventListener("click", async () => {
    if (recorder?.state === "recording") return recorder.stop();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      recorder = new MediaRecorder(stream);
    } catch { // Forbidden, no microphone, or a browser that does not record.
      for (const track of stream?.getTracks() ?? []) track.stop();
      status.textContent = card.dataset.failed;
      return;
    }
    const chunks = [];
    status.textContent = "";
    recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
    recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      record.textContent = card.dataset.record;
      offer(new Blob(chunks, { type: recorder.mimeType }));
    });
    recorder.start();
    record.textContent = card.dataset.stop;
  });

  file.addEventListener("change", () => { if (file.files[0]) offer(file.files[0]); });

  use.addEventListener("click", async () => {
    use.disabled = true;
    const until = card.querySelector("input[name=until]")?.value || "";
    const response = await fetch(`${card.dataset.address}?${new URLSearchParams({ until })}`, {
      method: "POST", body: audio,
      headers: { "X-CSRF-Token": card.dataset.csrf, "Content-Type": audio.type || "application/octet-stream" },
    }).catch(() => null);
    if (!response || response.status >= 500) { // The service is restarted, or the network is away.
      status.textContent = card.dataset.unreachable;
      use.disabled = false;
      return;
    }
    if (response.ok) return location.assign(response.url);
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    const reason = answer.querySelector("main .problem[role=alert]") || answer.querySelector("main p");
    status.textContent = reason?.textContent || response.statusText;
    use.disabled = false;
  });
}
