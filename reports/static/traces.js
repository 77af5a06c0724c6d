// The search for each rate: which settings were tried, and what size they gave.

function startTraces() {
  // Images are opened later, too; the event does not rise, but goes down.
  document.addEventListener("toggle", ({ target }) => target.matches("details.traces") && fillTrace(target), true);
}

function fillTrace(node) {
  if (!node.open || node.childElementCount > 1) return;
  const image = DATA.images[node.dataset.image];
  const point = image.points.find(({ name }) => name === node.dataset.point);
  const searched = point.cells
    .map((cell, column) => ({ cell, label: DATA.columns[column].label }))
    .filter(({ cell }) => cell?.trace.length);
  const list = searched.map(({ cell, label }) => traceOf(label, cell, image.width * image.height));
  node.append(
    list.length
      ? make("div", { class: "trace-list" }, ...list)
      : make("p", { class: "hint" }, "No search was recorded."),
  );
}

const signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

function traceOf(label, cell, area) {
  const probes = cell.trace.map((probe) => ({
    knobs: probe.slice(0, -1),
    bytes: probe.at(-1),
    bpp: (8 * probe.at(-1)) / area,
  }));
  const off = (probe, at) => {
    if (cell.gaps) return cell.gaps[at] === null ? "∞" : `${signed(cell.gaps[at], 3)} ${DATA.aimUnit}`.trim();
    return cell.target ? `${signed(100 * (probe.bpp / cell.target - 1))} %` : "–";
  };
  const rows = probes.map((probe, at) =>
    make(
      "tr",
      {},
      ...[
        at + 1,
        probe.knobs.map((value) => +value.toPrecision(6)).join(", "),
        probe.bytes,
        probe.bpp.toFixed(4),
        off(probe, at),
      ].map((value) => make("td", {}, String(value))),
    ),
  );
  const head = make(
    "tr",
    {},
    ...["", cell.knobName, "bytes", "bpp", "off"].map((name) =>
      name ? make("th", { scope: "col" }, name) : make("td"),
    ),
  );
  const table = make(
    "table",
    { class: "numbers" },
    make("caption", {}, `${label}: ${probes.length} ${probes.length === 1 ? "encode" : "encodes"}`),
    make("thead", {}, head),
    make("tbody", {}, ...rows),
  );
  return make("div", { class: "trace" }, ...(probes.length > 1 ? [traceChart(label, probes, cell)] : []), table);
}

function traceChart(label, probes, cell) {
  const knobs = probes.map(({ knobs: [first] }) => first),
    rates = probes.map(({ bpp }) => bpp);
  const scale = (values, from, to) => {
    const logs = values.map((value) => Math.log(Math.max(value, 1e-9))),
      low = Math.min(...logs),
      span = Math.max(...logs) - low || 1;
    return (value) => from + ((Math.log(Math.max(value, 1e-9)) - low) / span) * (to - from);
  };
  const x = scale(knobs, 16, 224),
    y = scale(cell.target ? [...rates, cell.target] : rates, 94, 12);
  const chosen = probes.reduce((a, b) => (Math.abs(b.bpp - cell.bpp) < Math.abs(a.bpp - cell.bpp) ? b : a));
  const svg = make("svg", {
    viewBox: "0 0 240 112",
    role: "img",
    "aria-label": `${label}: rate against ${cell.knobName}, both logarithmic; the numbers stand in the table`,
  });
  if (cell.target)
    svg.append(make("line", { class: "target", x1: 4, x2: 236, y1: y(cell.target), y2: y(cell.target) }));
  svg.append(
    make("polyline", {
      class: "path",
      points: probes.map((probe) => `${x(probe.knobs[0])},${y(probe.bpp)}`).join(" "),
    }),
  );
  const named = [];
  probes.forEach((probe, at) => {
    const cx = x(probe.knobs[0]),
      cy = y(probe.bpp);
    svg.append(make("circle", { class: probe === chosen ? "probe best" : "probe", cx, cy, r: 3.5 }));
    if (named.some(([left, top]) => Math.hypot(left - cx, top - cy) < 12)) return; // numbers on one another say nothing
    named.push([cx, cy]);
    svg.append(make("text", { x: cx + 5, y: cy - 4 }, String(at + 1)));
  });
  svg.append(make("text", { x: 120, y: 109, "text-anchor": "middle" }, `${cell.knobName} →`));
  return svg;
}
