// The overview of many images: thumbnails by how two codecs compare, sorted and filtered; one image opened at a time.

/** What an element that came into the page needs: frames near the window are shown, one operating point at a time. */
function arrive(root) {
  $$("img[data-frame]", root).forEach((node) => nearby.observe(node));
  showLevel(currentLevel(), root);
  showDecibels(root);
}

const LISTED = 200; // thumbnails that are shown, and added at a click: thousands take a browser seconds

const overview = {
  root: $("#overview"),
  opened: $("#opened"),
  current: null, // index of the opened image
  all: false, // whether every listed image stands open
  listed: [], // what passes the filters, in its order
  most: LISTED, // of which so many are shown
  started: false,

  start() {
    if (!this.root) return;
    this.started = true;
    this.byNumber = $$("li", this.root);
    const others = DATA.columns.map((_, at) => at).filter((at) => !DATA.columns[at].anchor);
    $("#overview-one").value = others[0] ?? 0;
    $("#overview-other").value = Math.max(
      DATA.columns.findIndex((column) => column.anchor),
      0,
    );
    for (const name of ["one", "other", "metric", "sort", "filter"])
      $(`#overview-${name}`).addEventListener("change", () => this.list());
    $("#overview-name").addEventListener("input", () => this.list());
    $("#overview-more").addEventListener("click", () => this.showMore());
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

  /** An image's thumbnail; where there are many the page does not hold them. */
  item(index) {
    this.byNumber[index] ??= this.makeItem(index);
    return this.byNumber[index];
  },

  makeItem(index) {
    const { name, original } = DATA.images[index];
    const picture = original
      ? make("img", { src: previewUrl(original), alt: "", loading: "lazy", decoding: "async" })
      : make("span", { class: "missing" }, "no original");
    const link = make("a", { href: `#image-${index}` }, picture, make("b", {}, name), " ");
    link.append(make("span", { class: "value" }));
    return make("li", { "data-image": index }, link);
  },

  /** The images whose thumbnails are shown. */
  shown() {
    return this.listed.slice(0, this.most);
  },

  showMore() {
    const first = this.most;
    this.most += LISTED;
    this.list();
    $("a", this.item(this.listed[first])).focus();
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
    if (!this.started) return;
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
    const differences = new Map(all.map(({ index, by }) => [index, by]));
    for (const index of this.shown()) {
      const node = $(".value", this.item(index)),
        by = differences.get(index);
      node.textContent = by === null ? "–" : `${signed(by, metric.digits)}${metric.unit}`;
      node.className = `value ${by > 0 ? "up" : by < 0 ? "down" : ""}`;
    }
    $(".thumbs", this.root).replaceChildren(...this.shown().map((index) => this.item(index)));
    const further = this.listed.length - this.shown().length;
    $("#overview-more").hidden = !further;
    $("#overview-more").textContent = `Show ${Math.min(further, LISTED)} more of ${further} further images`;
    const of = DATA.sampled ? "images with pictures" : "images";
    $("#overview-count").textContent = `${this.listed.length} of ${DATA.images.length} ${of}`;
    const without = all.some(({ by }) => by === null) ? `, – where one has no value ${DATA.atEqual}` : "";
    $("#overview-hint").textContent =
      `Under each image: ${one} minus ${other} ${DATA.atEqual}${without}. Arrow keys go from image to image, Enter opens one.`;
    if (this.all) this.openAll(true);
  },

  /** An image's article; where there are many it lies beside the page. */
  async article(index) {
    const holder = make("div");
    holder.innerHTML = $(`script[data-article="${index}"]`)?.textContent ?? (await beside(`articles/${index}`));
    return holder.firstElementChild;
  },

  async open(index) {
    this.openAll(false);
    this.current = index;
    const article = await this.article(index).catch((error) => make("p", { class: "missing" }, error.message));
    if (this.current !== index) return; // another one was opened meanwhile, or none
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
    const title = $("h3", article) ?? article;
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
    const current = this.current;
    this.current = null;
    if (this.listed.indexOf(current) >= this.most) {
      this.most = this.listed.indexOf(current) + 1;
      this.list();
    }
    const link = $("a", this.item(current));
    this.opened.replaceChildren();
    $("#opened-bar").hidden = true;
    this.root.hidden = false;
    link.focus();
    link.scrollIntoView({ block: "center" });
  },

  /** Show every listed image in full below the overview, or none. */
  async openAll(all) {
    this.all = all;
    $("#overview-all").setAttribute("aria-pressed", all);
    const wanted = all ? this.shown() : [];
    this.wanted = wanted;
    if (!all) this.opened.replaceChildren();
    const articles = await Promise.all(wanted.map((index) => this.article(index))).catch((error) => [
      make("p", { class: "missing" }, error.message),
    ]);
    if (this.wanted !== wanted || !all) return; // others are wanted by now
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
    const links = this.shown().map((index) => $("a", this.item(index))),
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
