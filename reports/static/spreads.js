// How the images differ: for each codec its differences to the anchor, sorted, over the share of the images.

const spreadPlots = {
  charts: [],

  draw() {
    const root = $("#spreads");
    if (!root) return;
    this.charts.forEach((chart) => chart.destroy());
    const hidden = inDecibels() ? "ms_ssim" : "ms_ssim_db";
    const spreads = DATA.spreads[currentLevel()].filter(({ key }) => key !== hidden);
    const targets = spreads.map(() => make("div", { class: "plot" }));
    const figures = spreads.map(({ title, unit }, at) =>
      make("figure", {}, make("figcaption", {}, `${title} against the anchor${unit ? `, ${unit}` : ""}`), targets[at]),
    );
    const columns = [...new Set(spreads.flatMap(({ lines }) => lines.map(columnOf)))];
    const legend = make("ul", { class: "js legend" }, ...columns.map((column) => legendItem(ownCurve(column))));
    root.replaceChildren(...figures, legend);
    this.charts = spreads.map((spread, at) => drawSpread(targets[at], spread));
  },
};

const MARKED_SHARES = [10, 30, 50, 70, 90]; // where a codec's mark is drawn, so that colours alone need not tell

const columnOf = ({ codec }) => DATA.columns.findIndex((column) => column.codec === codec);
const ownCurve = (column) => ({ name: DATA.columns[column].label, column, source: "" });

function drawSpread(target, { title, unit, digits, lines }) {
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", `${title}: sorted differences of the images; the quantiles stand in the table`);
  const axis = axisStyle();
  const shares = lines[0].values.map((_, at) => at);
  const options = {
    width: plots.printing ? PRINT_WIDTH : target.clientWidth,
    height: target.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [0, 100] } },
    axes: [
      { ...axis, label: "percent of the images", labelSize: 22, labelFont: axis.font },
      { ...axis, size: 64, values: (_, splits) => splits.map((value) => (value ? signed(value, digits) : "0")) },
    ],
    series: [
      {},
      ...lines.map((line) => {
        const curve = ownCurve(columnOf(line));
        const marks = [MARKED_SHARES, MARKED_SHARES.map((share) => line.values[share])];
        return { stroke: strokeOf(curve), width: 2, points: { show: (chart) => drawMarks(chart, marks, curve) } };
      }),
    ],
    hooks: { drawAxes: [(chart) => drawLevel(chart)] },
  };
  target.title = unit ? `${title}, ${unit}` : title;
  return new uPlot(options, [shares, ...lines.map(({ values }) => values)], target);
}

/** The line at which a codec is level with the anchor. */
function drawLevel(chart) {
  const top = Math.round(chart.valToPos(0, "y", true));
  const { left, width, top: from, height } = chart.bbox;
  if (top < from || top > from + height) return;
  chart.ctx.save();
  chart.ctx.strokeStyle = ink("soft");
  chart.ctx.lineWidth = uPlot.pxRatio;
  chart.ctx.beginPath();
  chart.ctx.moveTo(left, top);
  chart.ctx.lineTo(left + width, top);
  chart.ctx.stroke();
  chart.ctx.restore();
}

function startSpreads() {
  if ($("#spreads")) redrawAsNeeded($("#spreads"), () => spreadPlots.draw());
}
