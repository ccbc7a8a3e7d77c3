// What the pages do without asking the server: show and hide layers, zoom, keys; and ask again while something is under way.
"use strict";

function viewer(root) {
  const stage = root.querySelector(".stage"), canvas = root.querySelector(".canvas"), told = root.querySelector("[data-zoomed]");
  let zoom = 1;
  const boxes = [...root.querySelectorAll("[data-layer]")];

  function show(box) {
    for (const shown of root.querySelectorAll(`[data-shows="${box.dataset.layer}"]`)) {
      // Fetched when first asked for.
      if (box.checked && shown.dataset.href && !shown.getAttribute("href")) shown.setAttribute("href", shown.dataset.href);
      shown.classList.toggle("off", !box.checked);
    }
  }

  function zoomTo(wanted) {
    const x = (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth, y = (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight;
    // Fitted, the stage is as high as the page; magnified, it stays so, and the page moves in it.
    if (zoom === 1) stage.style.height = `${stage.offsetHeight}px`;
    canvas.classList.remove(`z${zoom}`);
    zoom = Math.min(8, Math.max(1, wanted));
    canvas.classList.add(`z${zoom}`);
    if (zoom === 1) stage.style.height = "";
    told.textContent = zoom === 1 ? "fitted" : `× ${zoom}`;
    stage.scrollLeft = x * stage.scrollWidth - stage.clientWidth / 2;
    stage.scrollTop = y * stage.scrollHeight - stage.clientHeight / 2;
  }

  boxes.forEach((box) => { box.addEventListener("change", () => show(box)); show(box); });
  for (const button of root.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoomTo({ "+": zoom + 1, "-": zoom - 1, "0": 1 }[button.dataset.zoom]));
  }
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(zoom + (event.deltaY < 0 ? 1 : -1));
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button) return;
    const from = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
    const move = (now) => { stage.scrollLeft = from[0] - now.clientX; stage.scrollTop = from[1] - now.clientY; };
    stage.setPointerCapture(event.pointerId);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", move), { once: true });
  });
  return (key) => {
    const place = { t: "texts", f: "found" }[key];
    const box = place ? boxes.find((one) => one.dataset.layer === place) : /^[1-4]$/.test(key) ? boxes[key - 1] : null;
    if (box) { box.checked = !box.checked; show(box); }
    if (key === "+" || key === "=") zoomTo(zoom + 1);
    if (key === "-") zoomTo(zoom - 1);
    if (key === "0") zoomTo(1);
  };
}

function start() {
  const viewers = [...document.querySelectorAll("[data-viewer]")].map((root) => [root, viewer(root)]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=search], select, textarea")) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); }
    }
    for (const [root, press] of viewers) if (root.offsetParent) press(event.key);
    const turn = { n: "next", p: "prev" }[event.key];
    const link = turn && document.querySelector(`a[rel="${turn}"]`);
    if (link) link.click();
  });
  if (location.protocol !== "file:") follow();
}

// While something is under way the middle of the page is asked for again; focus within it is left alone.
function follow() {
  if (!document.querySelector("[data-live]")) return;
  setTimeout(async () => {
    const main = document.getElementById("main");
    const answer = await fetch(location.href).catch(() => null);
    if (answer && answer.ok && !(main !== document.activeElement && main.contains(document.activeElement))) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      if (fresh) main.replaceChildren(...fresh.childNodes);
    }
    follow();
  }, 2000);
}

start();
