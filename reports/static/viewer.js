// The viewer: all codecs of one image; flip, swipe, side by side, error maps, a box of one's own.

const MODES = ["flip", "swipe", "side"];
const GAINS = [1, 2, 4, 8, 16, 32];

const viewer = {
  dialog: $("#viewer"),
  state: null,
  previous: 1,

  start() {
    this.stage = new Stage($("#stage"), () => this.zoomed());
    const on = (selector, event, act) => $(selector, this.dialog).addEventListener(event, act);
    on("#viewer-image", "change", (event) =>
      this.open({ ...this.state, image: +event.target.value, point: null, box: null, zoom: null }),
    );
    on("#viewer-point", "change", (event) => this.set({ point: event.target.value }));
    on("#viewer-map", "change", (event) => this.set({ map: event.target.value }));
    on("#viewer-gain", "change", (event) => this.set({ gain: +event.target.value }));
    on("#viewer-left", "change", (event) => this.set({ left: +event.target.value }));
    on("#viewer-right", "change", (event) => this.set({ column: +event.target.value }));
    on("#viewer-close", "click", () => this.dialog.close());
    on("#viewer-fit", "click", () => this.stage.goTo(null));
    on("#viewer-in", "click", () => this.stage.zoomBy(2));
    on("#viewer-out", "click", () => this.stage.zoomBy(0.5));
    on("#viewer-one", "click", () => this.stage.goTo(1));
    on("#viewer-draw", "click", () => this.draw(!this.stage.root.classList.contains("drawing")));
    for (const mode of MODES) on(`#viewer-${mode}`, "click", () => this.set({ mode }));
    this.dialog.addEventListener("close", () => {
      clearTimeout(this.resting);
      history.replaceState(null, "", `${location.pathname}${location.search}${overview.fragment()}`);
      this.opener?.focus();
    });
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    startBox(this);
    document.addEventListener("click", (event) => {
      const node = event.target.closest("[data-open]");
      if (node) this.fromPage(node);
    });
    addEventListener("hashchange", () => this.fromFragment());
    setTimeout(() => this.fromFragment()); // after Panzoom's own start, which it puts off in the same way
  },

  /** Open what a picture of the page shows; a crop opens at its box. */
  fromPage(node) {
    const { open, point, column, box } = node.dataset;
    this.opener = node;
    const wanted = {
      image: +open,
      point: point ?? null,
      column: column === undefined ? 1 : +column,
      mode: "flip",
      map: "",
      box: null,
      zoom: null,
    };
    if (box !== undefined) {
      const rect = $(`rect[data-box="${box}"]`, node.closest(".pair"));
      const [x, y, w, h] = ["x", "y", "width", "height"].map((name) => +rect.getAttribute(name));
      Object.assign(wanted, { zoom: 4, at: [x + w / 2, y + h / 2] });
    }
    this.open(wanted);
  },

  open(wanted) {
    const image = DATA.images[wanted.image];
    const points = pictured(image);
    const shown =
      points.find((point) => point.name === wanted.point) ??
      points.find((point) => point.level === +($("#level")?.value ?? 0)) ??
      points[0];
    this.state = {
      column: 1,
      left: 0,
      mode: "flip",
      map: "",
      gain: 8,
      side: null,
      box: null,
      zoom: null,
      at: null,
      ...wanted,
      point: shown.name,
    };
    if (!this.dialog.open) this.dialog.showModal();
    const { zoom, at } = this.state;
    this.show();
    this.stage.goTo(zoom, at ?? [image.width / 2, image.height / 2]);
  },

  set(change) {
    Object.assign(this.state, change);
    this.show();
  },

  get image() {
    return DATA.images[this.state.image];
  },
  get point() {
    return this.image.points.find((point) => point.name === this.state.point);
  },

  /** The frame of a column, 0 being the original; null where the cell failed. */
  frame(column) {
    return column === 0 ? this.image.original : (this.point.cells[column - 1]?.frame ?? null);
  },

  /** Why there is no frame of a column. */
  nothing(column) {
    if (column === 0) return "the original is not in the run";
    const cell = this.point.cells[column - 1];
    return !cell ? "no result" : cell.status === "ok" ? "the picture is not in the run" : cell.status;
  },

  /** The nodes that show a column on a layer. */
  picture(column) {
    const key = this.frame(column),
      label = labels()[column];
    if (!key) return [make("p", { class: "nothing" }, this.nothing(column))];
    const about = { alt: `${this.image.name}, ${label}`, draggable: "false" };
    const nodes = [losslessImage(key, about, (why) => this.say(why))];
    if (this.state.map && column > 0 && this.image.original) {
      const canvas = make("canvas", {
        role: "img",
        "aria-label": `${MAPS[this.state.map].name} difference of ${label}`,
      });
      canvas.draw = () => {
        canvas.draw = null;
        drawMap(canvas, this.state.map, this.image.original, key, this.state.gain).catch((error) =>
          this.say(error.message),
        );
      };
      nodes.push(canvas);
    }
    nodes.push(boxOutline(this.image, this.state.box));
    return nodes;
  },

  show() {
    const { mode, column, left, side } = this.state,
      all = labels(),
      size = [this.image.width, this.image.height];
    const view = this.stage.view;
    if (mode === "flip")
      this.stage.show(size, [
        {
          label: all[column],
          layers: [
            all.map((_, at) =>
              make("div", { class: "card", "data-column": at, hidden: at !== column }, ...this.picture(at)),
            ),
          ],
        },
      ]);
    if (mode === "swipe")
      this.stage.show(size, [{ label: [all[left], all[column]], layers: [this.picture(left), this.picture(column)] }]);
    if (mode === "side")
      this.stage.show(
        size,
        all
          .map((label, at) => ({ label, at }))
          .filter(({ at }) => !side || side.includes(at))
          .map(({ label, at }) => ({ label, layers: [this.picture(at)] })),
      );
    if (view && this.stage.size[0] === size[0]) this.stage.restore(view);
    this.drawMaps();
    this.fill();
    this.remember();
    showBoxPanel(this);
  },

  /** Show another column; in flip mode nothing is built anew, so that the change is instant. */
  flip(column) {
    if (column === this.state.column || column >= labels().length) return;
    this.previous = this.state.column;
    if (this.state.mode !== "flip") {
      this.set({ column });
      return;
    }
    this.state.column = column;
    $$(".card", this.stage.root).forEach((card) => {
      card.hidden = +card.dataset.column !== column;
    });
    $(".tab", this.stage.root).textContent = labels()[column];
    this.drawMaps();
    this.fill();
    this.remember();
  },

  drawMaps() {
    $$("canvas", this.stage.root).forEach((canvas) => {
      if (canvas.draw && !canvas.closest("[hidden]")) canvas.draw();
    });
  },

  /** Bring the controls in line with the state. */
  fill() {
    const { image, point, mode, map, gain, column, left, side } = this.state;
    $("#viewer-image").value = image;
    $("#viewer-point").replaceChildren(
      ...pictured(this.image).map(({ name }) => make("option", { value: name, selected: name === point }, name)),
    );
    $("#viewer-point").parentNode.hidden = pictured(this.image).length < 2;
    $("#viewer-map").value = map;
    $("#viewer-gain").value = gain;
    $("#viewer-gain").parentNode.hidden = !map || map === "flip";
    $("#viewer-legend").textContent = map ? MAPS[map].legend(gain) : "";
    for (const some of MODES) $(`#viewer-${some}`).setAttribute("aria-pressed", some === mode);
    for (const [selector, value] of [
      ["#viewer-left", left],
      ["#viewer-right", column],
    ]) {
      $(selector).value = value;
      $(selector).parentNode.hidden = mode !== "swipe";
    }
    const pressed = (at) =>
      mode === "side" ? !side || side.includes(at) : at === column || (mode === "swipe" && at === left);
    $("#chips").replaceChildren(
      ...labels().map((label, at) => {
        const cell = at ? this.point.cells[at - 1] : null;
        const numbers = at
          ? cell?.frame
            ? `${cell.text.bpp} bpp, ${cell.text.psnr} dB, ${cell.text[inDecibels() ? "ms_ssim_db" : "ms_ssim"]}${inDecibels() ? " dB" : ""}`
            : this.nothing(at)
          : "the original";
        return make(
          "button",
          {
            type: "button",
            class: "chip",
            "aria-pressed": String(pressed(at)),
            "aria-keyshortcuts": at < 9 ? at + 1 : null,
            onclick: () => this.chip(at),
          },
          make("kbd", { "aria-hidden": "true" }, at < 9 ? String(at + 1) : "·"),
          make("b", {}, label),
          make("small", {}, numbers),
        );
      }),
    );
    this.say(mode === "side" ? "side by side" : labels()[column]);
  },

  chip(at) {
    if (this.state.mode !== "side") return this.flip(at);
    const all = labels().map((_, index) => index),
      now = this.state.side ?? all;
    const next = now.includes(at) ? now.filter((index) => index !== at) : [...now, at].sort((a, b) => a - b);
    return next.length && this.set({ side: next.length === all.length ? null : next });
  },

  say(text) {
    $("#viewer-status").textContent = text;
  },

  zoomed() {
    const { zoom, at } = this.stage.view;
    Object.assign(this.state, { zoom, at });
    $("#viewer-zoom").textContent = zoom === null ? "fit" : `${zoom >= 10 ? zoom.toFixed(0) : +zoom.toFixed(1)}×`;
    // Only when the hand rests: browsers refuse a page that rewrites its address with every turn of a wheel.
    clearTimeout(this.resting);
    // Panzoom reports the last move late: after the viewer was closed the address is the page's again.
    if (this.dialog.open) this.resting = setTimeout(() => this.remember(), 60);
  },

  draw(drawing) {
    this.stage.root.classList.toggle("drawing", drawing);
    $("#viewer-draw").setAttribute("aria-pressed", drawing);
  },

  key(event) {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const onSlider = event.target.closest("img-comparison-slider");
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const acts = {
      "+": () => this.stage.zoomBy(2),
      "=": () => this.stage.zoomBy(2),
      "-": () => this.stage.zoomBy(0.5),
      0: () => this.stage.goTo(null),
      f: () => this.set({ mode: "flip" }),
      s: () => this.set({ mode: "swipe" }),
      d: () => this.set({ mode: "side" }),
      m: () => this.set({ map: { "": "abs", abs: "signed", signed: "flip", flip: "" }[this.state.map] }),
      b: () => this.draw(!this.stage.root.classList.contains("drawing")),
      x: () => this.flip(this.previous),
      "[": () => this.step(-1),
      "]": () => this.step(1),
    };
    if (/^[1-9]$/.test(key)) this.flip(+key - 1);
    else if (moves[key] && !onSlider) this.stage.panBy(...moves[key]);
    else if (acts[key]) acts[key]();
    else return;
    event.preventDefault();
  },

  step(by) {
    const count = DATA.images.length;
    this.open({
      ...this.state,
      image: (this.state.image + by + count) % count,
      point: null,
      box: null,
      zoom: null,
      at: null,
    });
  },

  /** Write the state into the address, so that it can be sent. */
  remember() {
    const { point, mode, map, gain, column, left, side, zoom, at, box } = this.state;
    const name = (index) => (index ? DATA.columns[index - 1].codec : "");
    const parts = { view: this.image.name, point, codec: name(column), mode };
    if (mode === "swipe") parts.left = name(left);
    if (side && mode === "side") parts.side = side.map(name).join(",");
    if (map) Object.assign(parts, { map, gain });
    if (zoom !== null && at)
      Object.assign(parts, { zoom: +zoom.toFixed(3), at: at.map((value) => +value.toFixed(1)).join() });
    if (box) parts.box = box.join();
    history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
  },

  fromFragment() {
    const parts = new URLSearchParams(location.hash.slice(1));
    const image = DATA.images.findIndex((some) => some.name === parts.get("view"));
    if (image < 0) return;
    const index = (codec) => DATA.columns.findIndex((column) => column.codec === codec) + 1;
    const numbers = (name, count) => {
      const list = (parts.get(name) ?? "").split(",").map(Number);
      return list.length === count && list.every(Number.isFinite) ? list : null;
    };
    const { width, height } = DATA.images[image];
    const box = numbers("box", 4);
    this.open({
      image,
      point: parts.get("point"),
      column: index(parts.get("codec")),
      left: index(parts.get("left")),
      mode: MODES.includes(parts.get("mode")) ? parts.get("mode") : "flip",
      map: parts.get("map") in MAPS ? parts.get("map") : "",
      gain: GAINS.includes(+parts.get("gain")) ? +parts.get("gain") : 8,
      side: parts.has("side") ? parts.get("side").split(",").map(index) : null,
      zoom: +parts.get("zoom") > 0 ? +parts.get("zoom") : null,
      at: numbers("at", 2),
      box: box && clampBox(box, width, height),
    });
  },
};
