// The overview of many images: thumbnails by how two codecs compare, sorted and filtered; one image opened at a time.

/** What an element that came into the page needs: frames near the window are shown, one operating point at a time. */
function arrive(root) {
  $$("img[data-frame]", root).forEach((node) => nearby.observe(node));
  showLevel(currentLevel(), root);
  showDecibels(root);
}

const overview = {
  root: $("#overview"),
  opened: $("#opened"),
  current: null, // index of the opened image
  all: false, // whether every listed image stands open
  listed: [], // what is listed, in its order

  start() {
    if (!this.root) return;
    this.items = $$("li", this.root);
    this.byNumber = [...this.items];
    const others = DATA.columns.map((_, at) => at).filter((at) => !DATA.columns[at].anchor);
    $("#overview-one").value = others[0] ?? 0;
    $("#overview-other").value = Math.max(
      DATA.columns.findIndex((column) => column.anchor),
      0,
    );
    for (const name of ["one", "other", "metric", "sort", "filter"])
      $(`#overview-${name}`).addEventListener("change", () => this.list());
    $("#overview-name").addEventListener("input", () => this.list());
    $("#overview-all").addEventListener("click", () => this.openAll(!this.all));
    $("#opened-close").addEventListener("click", () => this.leave());
    $("#opened-before").addEventListener("click", () => this.step(-1));
    $("#opened-after").addEventListener("click", () => this.step(1));
    $(".thumbs", this.root).addEventListener("keydown", (event) => this.move(event));
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => this.fromFragment());
    this.list();
    this.fromFragment();
  },

  /** By how much the first codec is better than the second on an image; null where that is unknown. */
  difference(index) {
    const metric = +$("#overview-metric").value;
    const [one, other] = this.cells(index)
      .map((cell) => cell?.compared[metric] ?? null)
      .map((value) => (this.metric() === DECIBELS ? decibels(value) : value));
    return one === null || other === null ? null : one - other;
  },

  metric() {
    const metric = METRICS[+$("#overview-metric").value];
    return metric.key === "ms_ssim" && inDecibels() ? DECIBELS : metric;
  },

  cells(index) {
    const point = DATA.images[index].points.find(({ level }) => level === currentLevel());
    return ["one", "other"].map((name) => point?.cells[+$(`#overview-${name}`).value] ?? null);
  },

  passes(index, difference, filter, name) {
    if (!DATA.images[index].name.toLowerCase().includes(name)) return false;
    const cells = this.cells(index);
    return {
      all: true,
      above: difference > 0,
      below: difference < 0,
      missed: cells.some((cell) => cell && Math.abs(cell.residual ?? 0) > DATA.tolerance),
      failed: cells.some((cell) => cell?.status !== "ok"),
    }[filter];
  },

  /** Show the thumbnails that pass the filters, in the chosen order, each with its difference. */
  list() {
    if (!this.root) return;
    const sort = $("#overview-sort").value,
      filter = $("#overview-filter").value,
      name = $("#overview-name").value.trim().toLowerCase();
    const metric = this.metric();
    const [one, other] = ["one", "other"].map((which) => DATA.columns[$(`#overview-${which}`).value].label);
    const all = DATA.images.map((image, index) => ({ index, name: image.name, by: this.difference(index) }));
    const last = (by, value) => (by === null ? Infinity : value); // what is unknown stands at the end
    const keys = {
      most: ({ by }) => last(by, -by),
      least: ({ by }) => last(by, by),
      apart: ({ by }) => last(by, -Math.abs(by)),
    };
    const orders = {
      given: (a, b) => a.index - b.index,
      name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.index - b.index,
    };
    const order =
      orders[sort] ??
      ((a, b) => (keys[sort](a) < keys[sort](b) ? -1 : keys[sort](a) > keys[sort](b) ? 1 : a.index - b.index));
    all.sort(order);
    this.listed = all.filter(({ index, by }) => this.passes(index, by, filter, name)).map(({ index }) => index);
    const there = new Set(this.listed);
    for (const { index, by } of all) {
      const node = $(".value", this.byNumber[index]);
      node.textContent = by === null ? "–" : `${signed(by, metric.digits)}${metric.unit}`;
      node.className = `value ${by > 0 ? "up" : by < 0 ? "down" : ""}`;
      this.byNumber[index].hidden = !there.has(index);
    }
    $(".thumbs", this.root).replaceChildren(...all.map(({ index }) => this.byNumber[index]));
    $("#overview-count").textContent = `${this.listed.length} of ${DATA.images.length} images`;
    $("#overview-hint").textContent =
      `Under each image: ${one} minus ${other} ${DATA.atEqual}. Arrow keys go from image to image, Enter opens one.`;
    if (this.all) this.openAll(true);
  },

  article(index) {
    const holder = make("div");
    holder.innerHTML = $(`script[data-article="${index}"]`).textContent;
    return holder.firstElementChild;
  },

  open(index) {
    this.openAll(false);
    this.current = index;
    const article = this.article(index);
    this.opened.replaceChildren(article);
    arrive(article);
    this.root.hidden = true;
    $("#opened-bar").hidden = false;
    const order = this.order(),
      at = order.indexOf(index);
    $("#opened-count").textContent = `${at + 1} of ${order.length}`;
    $("#opened-before").disabled = at === 0;
    $("#opened-after").disabled = at === order.length - 1;
    $("#images").scrollIntoView();
    const title = $("h3", article);
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  },

  /** The images that previous and next lead through: those that are listed, or all where the opened one is not. */
  order() {
    return this.listed.includes(this.current) ? this.listed : DATA.images.map((_, index) => index);
  },

  step(by) {
    const order = this.order(),
      next = order[order.indexOf(this.current) + by];
    if (next !== undefined) location.hash = `image-${next}`;
  },

  leave() {
    history.pushState(null, "", "#images");
    this.close();
  },

  close() {
    if (this.current === null) return;
    const link = $("a", this.byNumber[this.current]);
    this.current = null;
    this.opened.replaceChildren();
    $("#opened-bar").hidden = true;
    this.root.hidden = false;
    link.focus();
    link.scrollIntoView({ block: "center" });
  },

  /** Show every listed image in full below the overview, or none. */
  openAll(all) {
    this.all = all;
    $("#overview-all").setAttribute("aria-pressed", all);
    const articles = all ? this.listed.map((index) => this.article(index)) : [];
    this.opened.replaceChildren(...articles);
    articles.forEach(arrive);
  },

  fragment() {
    return this.current === null ? "" : `#image-${this.current}`;
  },

  fromFragment() {
    const index = /^#image-(\d+)$/.exec(location.hash)?.[1];
    if (index !== undefined && DATA.images[index]) this.open(+index);
    else if (["", "#images"].includes(location.hash)) this.close();
  },

  /** Arrow keys go from thumbnail to thumbnail, as they stand in the window. */
  move(event) {
    const links = this.listed.map((index) => $("a", this.byNumber[index])),
      at = links.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const top = links[0].offsetTop;
    const columns = links.findIndex((link) => link.offsetTop > top);
    const width = columns < 0 ? links.length : columns;
    const to = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - width,
      ArrowDown: at + width,
      Home: 0,
      End: links.length - 1,
    }[event.key];
    if (to === undefined) return;
    links[to]?.focus();
    event.preventDefault();
  },

  key(event) {
    if (this.current === null || $("dialog[open]") || event.target.closest("input, select, textarea")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { "[": () => this.step(-1), "]": () => this.step(1), Escape: () => this.leave() }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  },
};
