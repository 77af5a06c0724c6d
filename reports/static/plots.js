// Rate-distortion plots: one uPlot chart a metric, sharing what they show.

const MARKS = ["circle", "square", "triangle", "diamond"];
const ROUND_RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20];
const PRINT_WIDTH = 660; // fits A4 and Letter at 96 pixels an inch
const METRICS = [
  { key: "psnr", of: (point) => point[1], digits: 2, unit: " dB", room: 1, most: Infinity },
  { key: "ms_ssim", of: (point) => point[2], digits: 4, unit: "", room: 0.01, most: 1 },
  // a point's fourth entry is its name
  ...DATA.metrics.map((metric, index) => ({ ...metric, of: (point) => point[4 + index], room: 1, most: Infinity })),
];
const DECIBELS = { ...METRICS[1], of: (point) => decibels(point[2]), digits: 2, unit: " dB", room: 1, most: Infinity };

const inDecibels = () => $("#decibels").checked;

/** MS-SSIM in decibels; null where there is none, or nothing is missing to 1. */
function decibels(similarity) {
  return similarity === null || similarity >= 1 ? null : -10 * Math.log10(1 - similarity);
}

const plots = {
  image: null, // index of the image, or null for the mean of all
  log: false,
  published: new Set(DATA.published.slice(0, DATA.shownAtFirst).keys()), // whoever asked for them wants to see them
  printing: false,
  charts: [],

  /** The curves that are shown: {name, source, points: [[bpp, psnr, ms_ssim, point, ...further]], column}. */
  curves() {
    const own = this.image === null ? DATA.dataset : DATA.columns.map((column, at) => this.ofImage(column, at));
    const shown = own.map((curve, column) => ({ ...curve, column }));
    // What others published are means over their data set: they belong beside our mean only.
    if (this.image === null)
      for (const index of this.published) shown.push({ ...DATA.published[index], column: null, index });
    return shown;
  },

  ofImage(column, at) {
    const points = DATA.images[this.image].points
      .map((point) => [point.cells[at], point.name])
      .filter(([cell]) => cell && cell.bpp !== null)
      .map(([cell, name]) => [cell.bpp, cell.psnr, cell.ms_ssim, name, ...cell.more]);
    return { name: column.label, source: "", points: points.sort((a, b) => a[0] - b[0]) };
  },

  draw() {
    this.charts.forEach((chart) => chart.destroy());
    const curves = this.curves();
    const metrics = [METRICS[0], inDecibels() ? DECIBELS : METRICS[1], ...METRICS.slice(2)];
    this.charts = metrics.map((metric) => drawPlot($(`#plot-${metric.key}`), metric, curves, this.log));
    $("#legend").replaceChildren(...curves.map(legendItem));
  },
};

function strokeOf(curve) {
  return curve.column === null ? ink("soft") : color(curve.column);
}

function markOf(curve) {
  return MARKS[DATA.columns[curve.column].colour % MARKS.length];
}

function dashOf(curve) {
  return curve.column === null
    ? [
        [6, 4],
        [2, 3],
        [10, 3, 2, 3],
      ][curve.index % 3]
    : undefined;
}

function legendItem(curve) {
  const line = make("line", { x1: 0, y1: 6, x2: 32, y2: 6, stroke: strokeOf(curve), "stroke-width": 2 });
  if (curve.column === null) line.setAttribute("stroke-dasharray", dashOf(curve).join(" "));
  const picture = make("svg", { viewBox: "0 0 32 12", "aria-hidden": "true" }, line);
  if (curve.column !== null)
    picture.append(make("path", { d: markPath(markOf(curve), 16, 6, 4.5), fill: strokeOf(curve) }));
  return make(
    "li",
    curve.source ? { title: curve.source } : {},
    picture,
    curve.column === null ? `${curve.name} (published)` : curve.name,
  );
}

/** The outline of a mark as an SVG path, for the legend and the canvas alike. */
function markPath(mark, x, y, r) {
  if (mark === "square") return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`;
  if (mark === "triangle") return `M${x} ${y - r * 1.2}l${r * 1.15} ${r * 2.1}h${-2.3 * r}z`;
  if (mark === "diamond")
    return `M${x} ${y - r * 1.3}l${r * 1.2} ${r * 1.3}l${-r * 1.2} ${r * 1.3}l${-r * 1.2} ${-r * 1.3}z`;
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

/** How every axis looks, in the colours of the moment. */
function axisStyle() {
  return {
    stroke: ink("soft"),
    grid: { stroke: ink("line"), width: 1 },
    ticks: { stroke: ink("line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
}

function drawPlot(target, metric, curves, log) {
  const tables = curves.map((curve) => {
    const points = curve.points.filter((point) => metric.of(point) !== null);
    return [points.map((point) => point[0]), points.map(metric.of)];
  });
  const rates = tables.flatMap(([x]) => x);
  const low = Math.min(...rates),
    high = Math.max(...rates);
  const axis = axisStyle();
  const options = {
    width: plots.printing ? PRINT_WIDTH : target.clientWidth,
    height: target.clientHeight,
    legend: { show: false },
    cursor: { x: false, y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      // A logarithmic axis ends at round numbers by itself; a linear one starts at no bits at all.
      x: {
        time: false,
        distr: log ? 3 : 1,
        log: 2,
        range: () => (rates.length ? (log ? [low / 1.2, high * 1.2] : [0, high * 1.06]) : [0, 1]),
      },
      y: {
        range: (_, from, to) => {
          const room = from === to ? metric.room : 0,
            [bottom, top] = uPlot.rangeNum(from - room, to + room, 0.08, true);
          return [bottom, Math.min(top, metric.most)];
        },
      },
    },
    axes: [
      {
        ...axis,
        ...(log && { splits: () => ROUND_RATES.filter((rate) => rate >= low / 1.2 && rate <= high * 1.2) }),
        label: "bits per pixel",
        labelSize: 22,
        labelFont: axis.font,
        values: (_, splits) => splits.map((value) => (value === null ? "" : String(+value.toPrecision(3)))),
      },
      { ...axis, size: 58 },
    ],
    series: [
      {},
      ...curves.map((curve, index) => ({
        stroke: strokeOf(curve),
        width: curve.column === null ? 1.25 : 2,
        dash: dashOf(curve),
        spanGaps: true,
        points: { show: curve.column !== null && ((chart) => drawMarks(chart, tables[index], curve)) },
      })),
    ],
    hooks: {
      setCursor: [(chart) => showTip(chart, target, metric, curves, tables)],
      ready: [(chart) => chart.over.addEventListener("click", () => openFromPlot(nearest(chart, curves, tables)))],
    },
  };
  const data = tables.some(([x]) => x.length) ? uPlot.join(tables) : [[], ...tables.map(() => [])];
  return new uPlot(options, data, target);
}

function drawMarks(chart, [x, y], curve) {
  const ratio = uPlot.pxRatio;
  chart.ctx.save();
  chart.ctx.fillStyle = strokeOf(curve);
  x.forEach((value, at) => {
    const left = chart.valToPos(value, "x", true),
      top = chart.valToPos(y[at], "y", true);
    chart.ctx.fill(new Path2D(markPath(markOf(curve), left, top, 4.5 * ratio)));
  });
  chart.ctx.restore();
  return false;
}

/** The measured or published point within reach of the pointer. */
function nearest(chart, curves, tables) {
  const { left, top } = chart.cursor;
  let best = null,
    reach = 18;
  tables.forEach(([x, y], at) =>
    x.forEach((value, index) => {
      const distance = Math.hypot(chart.valToPos(value, "x") - left, chart.valToPos(y[index], "y") - top);
      if (distance < reach) [reach, best] = [distance, { curve: curves[at], bpp: value, value: y[index] }];
    }),
  );
  return best;
}

function showTip(chart, target, metric, curves, tables) {
  $(".tip", target.parentNode)?.remove();
  const hit = chart.cursor.left >= 0 && nearest(chart, curves, tables);
  chart.over.style.cursor = hit && viewOf(hit) ? "pointer" : "default";
  if (!hit) return;
  const published = hit.curve.column === null ? `\npublished: ${hit.curve.source.slice(0, 60)}` : "";
  const tip = make(
    "div",
    { class: "tip" },
    `${hit.curve.name}\n${hit.bpp.toFixed(4)} bpp, ${hit.value.toFixed(metric.digits)}${metric.unit}${published}`,
  );
  target.parentNode.append(tip);
  const left = chart.valToPos(hit.bpp, "x") + chart.over.offsetLeft,
    top = chart.valToPos(hit.value, "y") + chart.over.offsetTop;
  tip.style.left = `${Math.max(0, Math.min(left + 12, target.clientWidth - tip.offsetWidth))}px`;
  tip.style.top = `${top - 8}px`;
}

/** What a mark stands for: that codec at that rate, on the image that is shown or on the first one; null without pictures. */
function viewOf(hit) {
  if (hit.curve.column === null) return null;
  const point = hit.curve.points.find(([bpp]) => bpp === hit.bpp)[3];
  const image = plots.image ?? 0;
  const level = DATA.levels.indexOf(point);
  const found = DATA.images?.[image].points.find((some) => some.name === point || some.level === level);
  return found?.pictures ? { image, point: found.name, column: hit.curve.column + 1 } : null;
}

function openFromPlot(hit) {
  const view = hit && viewOf(hit);
  if (view) viewer.open(view);
}

function startPlots() {
  if (!$("#curves")) return; // a run of one operating point has no curves
  const redraw = () => plots.draw();
  $("#curve-of").addEventListener("change", (event) => {
    plots.image = event.target.value === "" ? null : +event.target.value;
    redraw();
  });
  $("#log-rate").addEventListener("change", (event) => {
    plots.log = event.target.checked;
    redraw();
  });
  $("#decibels").addEventListener("change", (event) => {
    $("#ms_ssim-unit").hidden = !event.target.checked;
    redraw();
  });
  $("#published")?.addEventListener("change", (event) => {
    plots.published[event.target.checked ? "add" : "delete"](+event.target.value);
    redraw();
  });
  redrawAsNeeded($("#plot-psnr"), redraw);
}

/** Draw now and whenever the colours, the paper or the width of `node` become others. */
function redrawAsNeeded(node, redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  for (const [event, printing] of [
    ["beforeprint", true],
    ["afterprint", false],
  ]) {
    addEventListener(event, () => {
      document.documentElement.classList.toggle("printing", printing); // for the canvas, which keeps its colours
      plots.printing = printing;
      redraw();
    });
  }
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width !== width) {
      width = entry.contentRect.width;
      redraw();
    }
  }).observe(node);
}
