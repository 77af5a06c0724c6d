// Blind test: pairs at equal size in random order, names hidden, answers as CSV.

const BLIND_FIELDS = ["trial", "image", "point", "a", "b", "answer", "closer", "seconds", "bpp_a", "bpp_b", "seed"];

/** A small random generator (mulberry32), so that the seed in the CSV repeats the order. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled(list, random) {
  const out = [...list];
  for (let at = out.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [out[at], out[other]] = [out[other], out[at]];
  }
  return out;
}

const EQUAL = 0.02;

/**
 * A cell's rate for a pair, and whether two files stand for it there: one that misses the rate, and its neighbour on the
 * other side, of which each trial draws one so that the rate is met on average.
 */
function rateOf(cell) {
  const apart = cell.neighbour && Math.abs(Math.log(cell.bpp / cell.target)) > Math.log(1 + EQUAL);
  return { rate: apart ? cell.target : cell.bpp, apart };
}

function drawn(one, random) {
  const { cell } = one;
  if (!rateOf(cell).apart || random() >= cell.neighbour.share) return one;
  return { ...one, cell: { ...cell, ...cell.neighbour } };
}

/** Whether two files are a fair pair: sizes no more than 2 % apart, or so on average; else both of the quality. */
function isPair(a, b) {
  if (!DATA.ofSize) return [a, b].every(({ residual }) => residual !== null && Math.abs(residual) <= DATA.tolerance);
  return Math.abs(Math.log(rateOf(a).rate / rateOf(b).rate)) <= Math.log(1 + EQUAL);
}

/** Every such pair of codecs on an image. */
function equalPairs() {
  return DATA.images.flatMap((image, index) =>
    (image.original ? image.points : []).flatMap((point) => {
      const good = point.cells.map((cell, column) => ({ cell, column })).filter(({ cell }) => cell?.frame);
      return good.flatMap((a, at) =>
        good
          .slice(at + 1)
          .filter((b) => isPair(a.cell, b.cell))
          .map((b) => ({ image: index, point: point.name, pair: [a, b] })),
      );
    }),
  );
}

const blind = {
  dialog: $("#blind-dialog"),
  answers: [],

  start() {
    this.stage = new Stage($("#blind-stage"));
    this.pairs = equalPairs();
    for (const name of ["one", "other"]) $(`#blind-${name}`).addEventListener("change", () => this.choose());
    this.choose();
    $("#blind-start").addEventListener("click", () => this.begin(this.chosen(), +$("#blind-count").value));
    $("#blind-save").addEventListener("click", () => this.save());
    $("#blind-close").addEventListener("click", () => this.dialog.close());
    $("#blind-original").addEventListener("change", () => this.show());
    $$("[data-answer]").forEach((node) => node.addEventListener("click", () => this.answer(node.dataset.answer)));
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("close", () => this.end());
  },

  /** The pairs of the codecs that were chosen. */
  chosen() {
    const wanted = ["one", "other"].map((name) => $(`#blind-${name}`).value).filter((value) => value !== "");
    return this.pairs.filter(({ pair }) => wanted.every((value) => pair.some(({ column }) => column === +value)));
  },

  choose() {
    const count = this.chosen().length;
    $("#blind-start").disabled = !count || !DATA.lossless;
    $("#blind-result").textContent = !DATA.lossless
      ? `Not here: ${PREVIEWS_ONLY}.`
      : count
        ? ""
        : `These codecs have no files on the same image that are ${DATA.atEqual}.`;
  },

  begin(pairs, count) {
    this.seed = crypto.getRandomValues(new Uint32Array(1))[0];
    const random = randomFrom(this.seed);
    this.trials = shuffled(pairs, random)
      .slice(0, count)
      .map((trial) => ({ ...trial, pair: shuffled(trial.pair, random).map((one) => drawn(one, random)) }));
    this.answers = [];
    this.dialog.showModal();
    this.show();
  },

  show() {
    const trial = this.trials[this.answers.length],
      image = DATA.images[trial.image];
    const card = (label, key) => ({
      label,
      layers: [[this.picture(key, `Picture ${label}`)]],
    });
    const [a, b] = trial.pair.map(({ cell }) => cell.frame);
    const panes = [card("A", a), card("B", b)];
    if ($("#blind-original").checked) panes.splice(1, 0, card("Original", image.original));
    this.stage.show([image.width, image.height], panes);
    $("#blind-progress").textContent = `Pair ${this.answers.length + 1} of ${this.trials.length}`;
    this.since = performance.now();
  },

  /** A lossless picture; a preview would be judged in its place. */
  picture(key, alt) {
    const image = make("img", { alt, draggable: "false" });
    losslessUrl(key).then(
      (url) => {
        image.src = url;
      },
      (error) => {
        this.dialog.close();
        $("#blind-result").textContent = `Stopped: ${error.message}.`;
      },
    );
    return image;
  },

  answer(answer) {
    const {
      image,
      point,
      pair: [a, b],
    } = this.trials[this.answers.length];
    const [codecA, codecB] = [a, b].map(({ column }) => DATA.columns[column].codec);
    this.answers.push({
      trial: this.answers.length + 1,
      image: DATA.images[image].name,
      point,
      a: codecA,
      b: codecB,
      answer,
      closer: { a: codecA, b: codecB, same: "" }[answer],
      seconds: ((performance.now() - this.since) / 1000).toFixed(1),
      bpp_a: a.cell.bpp,
      bpp_b: b.cell.bpp,
      seed: this.seed,
    });
    if (this.answers.length === this.trials.length) this.dialog.close();
    else this.show();
  },

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const acts = {
      a: () => this.answer("a"),
      b: () => this.answer("b"),
      s: () => this.answer("same"),
      "+": () => this.stage.zoomBy(2),
      "=": () => this.stage.zoomBy(2),
      "-": () => this.stage.zoomBy(0.5),
      0: () => this.stage.goTo(null),
    };
    if (moves[event.key]) this.stage.panBy(...moves[event.key]);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  },

  end() {
    const wins = DATA.columns.map(({ codec, label }) => {
      const seen = this.answers.filter(({ a, b }) => a === codec || b === codec);
      return `${label} ${seen.filter(({ closer }) => closer === codec).length} of ${seen.length}`;
    });
    $("#blind-result").textContent = this.answers.length
      ? `${this.answers.length} pairs judged. Chosen: ${wins.join(", ")}.`
      : "";
    $("#blind-save").hidden = !this.answers.length;
  },

  csv() {
    const quote = (value) =>
      /[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
    return (
      [BLIND_FIELDS, ...this.answers.map((answer) => BLIND_FIELDS.map((name) => answer[name]))]
        .map((line) => line.map(quote).join(","))
        .join("\r\n") + "\r\n"
    );
  },

  save() {
    const url = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    make("a", { href: url, download: "blind-test.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  },
};
