// A stage: one or more panes that show the same rectangle of pictures of one size, zoomed and panned together.

const MAX_ZOOM = 16;
const KEY_STEP = 48;

class Stage {
  /**
   * @param {HTMLElement} root  what the panes fill
   * @param {(stage: Stage) => void} changed  told after every zoom or pan
   */
  constructor(root, changed = () => {}) {
    this.root = root;
    this.changed = changed;
    this.panes = [];
    this.size = [1, 1];
    // Panzoom moves this invisible element, which lies on the first pane; every layer follows it.
    this.master = make("div", { class: "master" });
    this.host = make("div", { class: "host", "aria-hidden": "true" }, this.master);
    this.grid = make("div", { class: "panes" });
    root.append(this.host, this.grid);
    this.pan = Panzoom(this.master, {
      noBind: true,
      minScale: 1,
      step: 0.25,
      animate: false,
      handleStartEvent: () => {},
      setTransform: (_, values) => this.transform(values),
    });
    root.addEventListener("pointerdown", (event) => this.down(event));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.move = (event) => this.pan.handleMove(this.local(event));
    this.up = (event) => {
      this.pan.handleUp(this.local(event));
      root.classList.remove("grabbing");
    };
    document.addEventListener("pointermove", this.move, { passive: true });
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, this.up, { passive: true });
    new ResizeObserver(() => this.panes.length && this.restore(this.view)).observe(root);
  }

  /** Show panes of pictures: [{label, layers: [[nodes], ...]}]; two layers of a pane make a slider. */
  show([width, height], panes) {
    const view = this.view;
    const same = this.size[0] === width && this.size[1] === height;
    this.size = [width, height];
    this.offset = [0, 0];
    this.panes = panes.map((pane) => this.makePane(pane));
    this.grid.style.setProperty("--columns", this.columns(panes.length));
    this.grid.replaceChildren(...this.panes.map((pane) => pane.node));
    this.restore(same ? view : null);
  }

  /** How many panes stand in a row: the number that leaves the pictures largest. */
  columns(count) {
    const { clientWidth: width, clientHeight: height } = this.root;
    const scale = (columns) =>
      Math.min(width / columns / this.size[0], height / Math.ceil(count / columns) / this.size[1]);
    return Array.from({ length: count }, (_, at) => at + 1).reduce((a, b) => (scale(b) > scale(a) ? b : a), 1);
  }

  makePane({ label, layers }) {
    const made = layers.map((nodes) => make("div", { class: "layer" }, make("div", { class: "sheet" }, ...nodes)));
    const node = make("div", { class: "pane" });
    if (made.length === 2) {
      this.slider = makeSlider(label, made);
      node.append(
        this.slider,
        ...label.map((text, at) => make("span", { class: `tab ${at ? "right" : "left"}` }, text)),
      );
    } else {
      this.slider = null;
      node.append(...made, ...(label ? [make("span", { class: "tab left" }, label)] : []));
    }
    return { node, layers: made };
  }

  /** What is shown: zoom in screen pixels a picture pixel (null for fit) and the picture's point in the middle. */
  get view() {
    if (!this.fit) return null;
    const scale = this.pan.getScale(),
      { x, y } = this.pan.getPan();
    return {
      zoom: scale <= 1.0001 ? null : scale * this.fit,
      at: [this.size[0] / 2 - x / this.fit, this.size[1] / 2 - y / this.fit],
    };
  }

  restore(view) {
    const [pane] = this.panes;
    const { clientWidth: width, clientHeight: height } = pane.node;
    if (!width || !height) return;
    this.fit = Math.min(width / this.size[0], height / this.size[1]);
    for (const sheet of $$(".sheet", this.root)) {
      const [w, h] = this.size.map((side) => side * this.fit);
      Object.assign(sheet.style, {
        width: `${w}px`,
        height: `${h}px`,
        left: `${(width - w) / 2}px`,
        top: `${(height - h) / 2}px`,
      });
    }
    // A slider takes its height from what it holds.
    for (const slot of $$("[slot]", this.root))
      Object.assign(slot.style, { width: `${width}px`, height: `${height}px` });
    Object.assign(this.host.style, { width: `${width}px`, height: `${height}px` });
    this.pan.setOptions({ maxScale: Math.max(1, MAX_ZOOM / this.fit) });
    this.goTo(view?.zoom ?? null, view?.at ?? this.size.map((side) => side / 2));
  }

  transform({ x, y, scale }) {
    const transform = `scale(${scale}) translate(${x}px, ${y}px)`;
    this.master.style.transform = transform;
    for (const pane of this.panes) for (const layer of pane.layers) layer.style.transform = transform;
    this.root.classList.toggle("pixels", scale * this.fit >= 1);
    this.root.style.setProperty("--hair", `${2 / (scale * this.fit)}`);
    if (this.fit) this.settle();
  }

  /** Keep the middle of the pane on the picture, then tell who listens. */
  settle() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      const { zoom, at } = this.view;
      const kept = at.map((value, axis) => Math.min(Math.max(value, 0), this.size[axis]));
      if (zoom === null || kept.some((value, axis) => Math.abs(value - at[axis]) > 0.5)) {
        const middle = zoom === null ? this.size.map((side) => side / 2) : kept;
        const [x, y] = middle.map((value, axis) => (this.size[axis] / 2 - value) * this.fit);
        const { x: nowX, y: nowY } = this.pan.getPan();
        if (Math.hypot(x - nowX, y - nowY) > 0.01) this.pan.pan(x, y, { force: true });
      }
      this.changed(this);
    }, 30);
  }

  /** Show the picture's point `at` in the middle, at `zoom` screen pixels a pixel or fitted (null). */
  goTo(zoom, at = this.view.at) {
    const scale = Math.min(Math.max(zoom === null ? 1 : zoom / this.fit, 1), Math.max(1, MAX_ZOOM / this.fit));
    const middle = scale === 1 ? this.size.map((side) => side / 2) : at;
    this.pan.zoom(scale, { force: true });
    this.pan.pan((this.size[0] / 2 - middle[0]) * this.fit, (this.size[1] / 2 - middle[1]) * this.fit, { force: true });
    this.changed(this);
  }

  zoomBy(factor) {
    this.goTo((this.view.zoom ?? this.fit) * factor);
  }

  panBy(dx, dy) {
    const { zoom, at } = this.view;
    if (zoom !== null) this.goTo(zoom, [at[0] + (dx * KEY_STEP) / zoom, at[1] + (dy * KEY_STEP) / zoom]);
  }

  paneAt(event) {
    return this.panes.find((pane) => pane.node.contains(event.target)) ?? this.panes[0];
  }

  /** The picture's pixel under the pointer. */
  pixelAt(event, pane = this.paneAt(event)) {
    const box = pane.node.getBoundingClientRect(),
      scale = this.pan.getScale(),
      { x, y } = this.pan.getPan();
    return [
      this.size[0] / 2 + ((event.clientX - box.left - box.width / 2) / scale - x) / this.fit,
      this.size[1] / 2 + ((event.clientY - box.top - box.height / 2) / scale - y) / this.fit,
    ];
  }

  /** The event as if it had happened in the first pane, where Panzoom's element is. */
  local(event) {
    const [dx, dy] = this.offset ?? [0, 0];
    const { pointerId, pointerType, button, buttons, type } = event;
    return new PointerEvent(type, {
      pointerId,
      pointerType,
      button,
      buttons,
      clientX: event.clientX - dx,
      clientY: event.clientY - dy,
    });
  }

  down(event) {
    if (event.button > 0 || this.onHandle(event) || this.root.classList.contains("drawing")) return;
    const first = this.panes[0].node.getBoundingClientRect(),
      here = this.paneAt(event).node.getBoundingClientRect();
    this.offset = [here.left - first.left, here.top - first.top];
    this.root.classList.add("grabbing");
    this.pan.handleDown(this.local(event));
  }

  wheel(event) {
    event.preventDefault();
    const pixel = this.pixelAt(event),
      { zoom } = this.view;
    const before = zoom ?? this.fit,
      after = Math.min(Math.max(before * Math.exp(-event.deltaY * 0.002), this.fit), MAX_ZOOM);
    // The pixel under the pointer stays under it.
    const { at } = this.view;
    this.goTo(
      after,
      at.map((value, axis) => pixel[axis] - ((pixel[axis] - value) * before) / after),
    );
  }

  /** Whether the pointer is on the slider's handle, which the slider itself drags. */
  onHandle(event) {
    const handle = this.slider?.shadowRoot.getElementById("handle").getBoundingClientRect();
    if (!handle) return false;
    return (
      event.clientX >= handle.left &&
      event.clientX <= handle.right &&
      event.clientY >= handle.top &&
      event.clientY <= handle.bottom
    );
  }
}

function makeSlider(label, layers) {
  const slider = make("img-comparison-slider", {
    handle: "true",
    role: "slider",
    "aria-valuemin": 0,
    "aria-valuemax": 100,
    "aria-valuenow": 50,
    "aria-label": `Divider between ${label.join(" and ")}`,
  });
  const [first, second] = layers.map((layer, at) =>
    make("div", { slot: at ? "second" : "first", class: "slot" }, layer),
  );
  slider.append(first, second);
  slider.addEventListener("slide", () => slider.setAttribute("aria-valuenow", Math.round(slider.value)));
  return slider;
}
