// Draws the figures of a report, in the browser: each from its own CSV, so that what is seen is what is downloaded.
(() => {
  const { methods, figures } = JSON.parse(document.getElementById("figures").textContent);
  const color = (method) => `var(--c${methods.indexOf(method) % 8})`;
  const hidden = new Set();
  const state = new Map(figures.map((figure) => [figure.id, { log: figure.drawing.log === true }]));
  const textOf = (id) => document.getElementById(`csv-${id}`).content.textContent;
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  /** Rows of a figure's CSV as objects; cells of `words` stay text, empty ones are null. */
  const words = ["run", "method", "seed"];
  function read(id) {
    const [columns, ...rows] = d3.csvParseRows(textOf(id));
    return rows.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i], words.includes(columns[i]) ? cell : cell === "" ? null : Number(cell)])));
  }
  const data = new Map(figures.map((figure) => [figure.id, read(figure.id)]));

  const most = 300; // points of a line that are drawn; longer ones as means of as many parts
  function thin(points, x, y) {
    if (points.length <= 2 * most) return points;
    return d3.range(most).map((i) => {
      const part = points.slice(Math.floor((i * points.length) / most), Math.floor(((i + 1) * points.length) / most));
      return { ...part[0], [x]: d3.mean(part, (d) => d[x]), [y]: d3.mean(part, (d) => d[y]) };
    });
  }

  /** The mean over a method's runs wherever all of them have a number. */
  function means(rows, x, y) {
    return d3.groups(rows, (d) => d.method).flatMap(([method, own]) => {
      const runs = new Set(own.map((d) => d.run)).size;
      if (runs < 2) return own.map((d) => ({ ...d, runs: 1 }));
      return d3
        .groups(own, (d) => d[x])
        .filter(([, same]) => same.length === runs)
        .map(([at, same]) => ({ method, run: `mean of ${runs}`, [x]: at, [y]: d3.mean(same, (d) => d[y]), runs }));
    });
  }

  /** Each point as the mean of those around it: noise hides what lines do. */
  function smoothed(points, y) {
    const reach = Math.round(points.length / 60);
    return reach < 1 ? points : points.map((point, i) => ({ ...point, [y]: d3.mean(points.slice(Math.max(0, i - reach), i + reach + 1), (d) => d[y]) }));
  }

  const short = (value) => (value === 0 ? "0" : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? d3.format(".3~e")(value) : d3.format(",.4~r")(value));
  const common = (width) => ({ width, style: { background: "transparent", color: "var(--ink)", fontSize: "12px", fontFamily: "inherit" }, marginTop: 14, marginRight: 16 });

  function lines(figure, width) {
    const { x, y, xLabel, yLabel, percent, points } = figure.drawing;
    const { log, smooth } = state.get(figure.id);
    const seen = data.get(figure.id).filter((d) => !hidden.has(d.method) && d[y] !== null && (!log || d[y] > 0));
    const single = d3.groups(seen, (d) => d.run).flatMap(([, own]) => thin(own, x, y));
    const average = d3.groups(means(seen, x, y), (d) => d.method).flatMap(([, own]) => thin(smooth ? smoothed(own, y) : own, x, y));
    const isSeveral = smooth || average.some((d) => d.runs > 1);
    const few = points || (average.length > 0 && d3.max(d3.rollups(average, (own) => own.length, (d) => d.method), (d) => d[1]) <= 30);
    const smallest = log && seen.length > 0 ? d3.max(seen, (d) => d[y]) * 1e-6 : 0;
    const shownY = figure.id === "spectrum" && log ? (d) => Math.max(d[y], smallest) : y;
    return Plot.plot({
      ...common(width),
      height: Math.max(220, Math.min(300, width * 0.56)),
      marginLeft: 58,
      marginBottom: 38,
      x: { label: xLabel, labelAnchor: "right", labelArrow: "none", ticks: Math.max(3, Math.floor(width / 90)), tickFormat: "~s" },
      y: { label: null, type: log ? "log" : "linear", grid: true, tickSize: 0, tickPadding: 8, ticks: log ? 5 : 6, tickFormat: percent ? (v) => `${d3.format(".4~r")(100 * v)} %` : short, nice: !log },
      color: { domain: methods, range: methods.map(color) },
      marks: [
        figure.id === "landscape-1d" ? Plot.ruleX([0], { stroke: "var(--soft)", strokeDasharray: "3,4" }) : null,
        isSeveral ? Plot.lineY(single, { x, y: shownY, z: "run", stroke: "method", strokeOpacity: smooth ? 0.18 : 0.3, strokeWidth: 1 }) : null,
        Plot.lineY(average, { x, y: shownY, z: "method", stroke: "method", strokeWidth: 2, strokeLinejoin: "round" }),
        few ? Plot.dot(average, { x, y: shownY, fill: "method", r: 2.6 }) : null,
        Plot.tip(
          average,
          Plot.pointer({ x, y: shownY, maxRadius: 60, fill: "var(--card)", stroke: "var(--line)", textPadding: 9, title: (d) => `${d.method}${d.run.startsWith("mean of") ? ` (${d.run})` : ""}\n${xLabel} ${short(d[x])}\n${yLabel} ${percent ? `${(100 * d[y]).toFixed(2)} %` : short(d[y])}` }),
        ),
      ],
    });
  }

  function eigenvalues(figure, width) {
    const seen = data.get(figure.id).filter((d) => !hidden.has(d.method) && d.eigenvalue !== null);
    const shown = methods.filter((method) => seen.some((d) => d.method === method));
    return Plot.plot({
      ...common(width),
      height: Math.max(220, 64 + 34 * shown.length),
      marginLeft: Math.min(150, 24 + 7 * d3.max(shown, (name) => name.length) || 40),
      marginBottom: 38,
      x: { label: "eigenvalue", labelArrow: "none", grid: true, zero: true, nice: true, ticks: Math.max(3, Math.floor(width / 90)), tickFormat: short },
      y: { label: null, domain: shown, tickSize: 0, tickFormat: (name) => (name.length > 18 ? `${name.slice(0, 17)}…` : name) },
      color: { domain: methods, range: methods.map(color) },
      marks: [
        Plot.dot(seen, { x: "eigenvalue", y: "method", fill: "method", fillOpacity: (d) => (d.rank === 1 ? 0.95 : 0.45), r: (d) => (d.rank === 1 ? 5.5 : 4), stroke: "var(--card)" }),
        Plot.tip(seen, Plot.pointer({ x: "eigenvalue", y: "method", fill: "var(--card)", stroke: "var(--line)", textPadding: 9, title: (d) => `${d.method}\n${d.run}\nnumber ${d.rank}: ${short(d.eigenvalue)}` })),
      ],
    });
  }

  /** 1, 2, 5, 10 …, or fewer of them. */
  function ticksOf([low, high]) {
    const all = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1).flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
    const inside = all.filter((value) => value >= low && value <= high);
    return inside.filter((_, i) => i % Math.ceil(inside.length / 6) === 0);
  }

  function surfaces(figure, width) {
    const all = data.get(figure.id);
    const values = all.map((d) => d.loss).filter((v) => v !== null && v > 0);
    // A logarithmic scale where the losses differ by much: the middle would be one flat spot.
    const log = values.length === all.filter((d) => d.loss !== null).length && d3.max(values) > 20 * d3.min(values);
    const domain = d3.extent(all.map((d) => d.loss).filter((v) => v !== null));
    const scale = { type: log ? "log" : "linear", domain, scheme: "viridis", label: "loss" };
    const levels = log ? d3.range(13).map((i) => domain[0] * (domain[1] / domain[0]) ** (i / 12)) : d3.range(13).map((i) => domain[0] + ((domain[1] - domain[0]) * i) / 12);
    const shown = d3.groups(all, (d) => d.run).filter(([, own]) => !hidden.has(own[0].method));
    const perRow = Math.max(1, Math.min(shown.length, Math.floor((width + 14) / 244)));
    const size = Math.min(360, (width - 14 * (perRow - 1)) / perRow);
    const grid = element("div", { className: "surfaces" });
    for (const [run, own] of shown) {
      const method = own[0].method;
      // Colours of a point stand around it: the map goes half a step beyond, and is cut off.
      const edges = (at) => [at[0] - (at[1] - at[0]) / 2, at.at(-1) + (at[1] - at[0]) / 2];
      const [a, b] = ["a", "b"].map((key) => [...new Set(own.map((d) => d[key]))].sort(d3.ascending));
      const at = new Map(own.map((d) => [`${d.a} ${d.b}`, d.loss]));
      const swatch = element("i", { className: "swatch" });
      swatch.style.setProperty("--c", color(method));
      const plot = Plot.plot({
        ...common(size),
        height: size - 10,
        marginLeft: 34,
        marginBottom: 28,
        marginTop: 6,
        marginRight: 8,
        x: { label: null, ticks: 5, tickSize: 0, tickPadding: 7, tickFormat: short, domain: d3.extent(a) },
        y: { label: null, ticks: 5, tickSize: 0, tickPadding: 7, tickFormat: short, domain: d3.extent(b) },
        color: scale,
        marks: [
          Plot.contour({ length: a.length * b.length }, { x1: edges(a)[0], x2: edges(a)[1], y1: edges(b)[0], y2: edges(b)[1], clip: true, width: a.length, height: b.length, value: Array.from({ length: a.length * b.length }, (_, i) => at.get(`${a[i % a.length]} ${b[Math.floor(i / a.length)]}`) ?? NaN), fill: "value", thresholds: levels, stroke: "var(--card)", strokeOpacity: 0.35, strokeWidth: 0.7 }),
          Plot.dot([[0, 0]], { symbol: "times", stroke: "white", strokeWidth: 2.4, r: 5 }),
          Plot.tip(own.filter((d) => d.loss !== null), Plot.pointer({ x: "a", y: "b", fill: "var(--card)", stroke: "var(--line)", textPadding: 9, title: (d) => `${d.method}\nat ${short(d.a)}, ${short(d.b)}\nloss ${short(d.loss)}` })),
        ],
      });
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", `Loss around the minimum of ${run}: a map; its numbers are in the table below.`);
      grid.append(element("div", {}, element("h4", {}, swatch, run === method || new Set(own.map((d) => d.run)).size > 1 ? run : shown.filter(([, each]) => each[0].method === method).length > 1 ? run : method), plot));
    }
    const legend = element("div", { className: "legend" }, Plot.legend({ color: { ...scale, tickFormat: short }, width: Math.min(320, width), style: { background: "transparent", color: "var(--ink)", fontFamily: "inherit" }, ticks: log ? ticksOf(domain) : 4 }));
    return element("div", {}, grid, legend);
  }

  const drawers = { lines, eigenvalues, surfaces };
  function draw(figure) {
    const place = document.getElementById(`chart-${figure.id}`);
    const width = Math.floor(place.clientWidth);
    if (width === 0) return;
    const chart = drawers[figure.drawing.kind](figure, width);
    if (chart instanceof SVGElement) {
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", `${figure.title}: a chart; its numbers are in the table below.`);
    }
    place.replaceChildren(chart);
  }
  const drawAll = () => figures.forEach(draw);

  for (const figure of figures) {
    const tools = document.getElementById(`tools-${figure.id}`);
    const values = data.get(figure.id).map((d) => d[figure.drawing.y]).filter((v) => v !== null);
    if (figure.drawing.kind !== "lines" || values.length === 0) continue;
    const own = state.get(figure.id);
    const toggle = (key, text, title) => {
      const button = element("button", { type: "button", textContent: text, title });
      button.setAttribute("aria-label", `${title}: ${figure.title}`);
      button.setAttribute("aria-pressed", String(own[key]));
      button.addEventListener("click", () => {
        own[key] = !own[key];
        button.setAttribute("aria-pressed", String(own[key]));
        draw(figure);
      });
      tools.prepend(button);
    };
    own.log ||= d3.min(values) > 0 && !figure.drawing.percent && d3.max(values) > 100 * d3.min(values);
    if (d3.min(values) > 0) toggle("log", "log", "Logarithmic scale");
    const longest = d3.max(d3.rollups(data.get(figure.id), (rows) => rows.length, (d) => d.run), (d) => d[1]);
    own.smooth = figure.drawing.noisy === true && longest >= 60;
    if (own.smooth) toggle("smooth", "smooth", "Heavy lines are moving averages");
  }
  for (const button of document.querySelectorAll("button[data-csv]")) {
    button.addEventListener("click", () => {
      const url = URL.createObjectURL(new Blob([textOf(button.dataset.csv)], { type: "text/csv" }));
      const link = element("a", { href: url, download: `${button.dataset.csv}.csv` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    });
  }
  for (const button of document.querySelectorAll("button[data-method]")) {
    button.addEventListener("click", () => {
      const { method } = button.dataset;
      if (!hidden.delete(method)) hidden.add(method);
      button.setAttribute("aria-pressed", String(!hidden.has(method)));
      drawAll();
    });
  }
  drawAll();
  let width = document.documentElement.clientWidth;
  let waiting = 0;
  addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 120);
  });
})();
