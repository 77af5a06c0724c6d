// Start: show one operating point at a time, draw the plots, wire the pictures to the viewer.

document.documentElement.classList.add("scripted");

const currentLevel = () => +($("#level")?.value ?? 0);

function showLevel(level, root = $("main")) {
  $$("[data-level]", root).forEach((node) => {
    node.hidden = +node.dataset.level !== level;
  });
}

$$(".swatch").forEach((node) =>
  node.style.setProperty("--swatch", `var(--c${DATA.columns[node.dataset.column].colour})`),
);
/** Texts with an MS-SSIM have two forms, of which one is shown. */
function showDecibels(root = document) {
  $$("[data-db]", root).forEach((node) => {
    node.dataset.plain ??= node.textContent;
    node.textContent = inDecibels() ? node.dataset.db : node.dataset.plain;
  });
}

$("#decibels").addEventListener("change", () => {
  showDecibels();
  overview.list();
  spreadPlots.draw();
});
$("#level")?.addEventListener("change", () => {
  showLevel(currentLevel());
  overview.list();
  spreadPlots.draw();
});

// In a single file the frames are part of the data; show each when it comes near the window.
const nearby = new IntersectionObserver(
  (entries) =>
    entries
      .filter((entry) => entry.isIntersecting)
      .forEach(({ target }) => {
        target.src = previewUrl(target.dataset.frame);
        nearby.unobserve(target);
      }),
  { rootMargin: "600px" },
);
arrive($("main"));

startPlots();
startSpreads();

/** What needs the images' rows. */
function startImages() {
  startTraces();
  viewer.start();
  blind.start();
  overview.start();
  $("#curve-of")?.removeAttribute("disabled");
}

// Of many images the rows lie beside the page, which is there to be read before they are.
if (DATA.images) startImages();
else
  beside("images")
    .then((images) => {
      DATA.images = images;
      startImages();
    })
    .catch((error) => {
      $("#overview-hint").textContent = `The images cannot be shown: ${error.message}`;
    });

// For a reader's console: the data behind the page, and the functions that its maps are made with.
globalThis.isorate = { DATA, plots, pixels, flipMap, localPsnr };
