// Records the microphone. `button` starts and ends it; `onRecorded` gets the sound and its seconds.
export function startRecorder(button, { texts, onStart, onRecorded, onRefused }) {
  let recorder = null;
  let stopped = null; // Resolves when the recorder has stopped and the recording is complete.
  let isOpening = false; // The browser asks whether the page may use the microphone.

  async function stop() {
    if (recorder?.state === "recording") recorder.stop();
    await stopped;
  }

  async function record() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      recorder = new MediaRecorder(stream);
    } catch { // Forbidden, no microphone, or a browser that does not record.
      for (const track of stream?.getTracks() ?? []) track.stop();
      return onRefused();
    }
    const chunks = [];
    const began = performance.now();
    recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
    stopped = new Promise((resolve) => recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop();
      button.textContent = texts.record;
      onRecorded(new Blob(chunks, { type: recorder.mimeType }), (performance.now() - began) / 1000);
      resolve();
    }));
    recorder.start();
    onStart();
    button.textContent = texts.stop;
  }

  button.addEventListener("click", async () => {
    if (recorder?.state === "recording") return stop();
    if (isOpening) return;
    isOpening = true;
    await record();
    isOpening = false;
  });
  return { stop };
}
