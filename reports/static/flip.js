// FLIP, the perceptual difference map of Andersson et al., "FLIP: A Difference Evaluator for Alternating Images" (2020),
// for 8-bit sRGB pictures. Names follow the paper: C, the colour pipeline; F, the feature pipeline.

const FLIP_PPD = 0.7 * (3840 / 0.7) * (Math.PI / 180); // pixels a degree: a 0.7 m wide 4K monitor seen from 0.7 m
const FLIP = { qc: 0.7, pc: 0.4, pt: 0.95, w: 0.082, qf: 0.5 };
const TO_XYZ = [
  10135552 / 24577794,
  8788810 / 24577794,
  4435075 / 24577794,
  2613072 / 12288897,
  8788810 / 12288897,
  887015 / 12288897,
  1425312 / 73733382,
  8788810 / 73733382,
  70074185 / 73733382,
];
const WHITE = [0, 1, 2].map((row) => TO_XYZ[3 * row] + TO_XYZ[3 * row + 1] + TO_XYZ[3 * row + 2]);
const FROM_XYZ = inverse3(TO_XYZ);

function inverse3([a, b, c, d, e, f, g, h, i]) {
  const A = e * i - f * h,
    B = f * g - d * i,
    C = d * h - e * g,
    det = a * A + b * B + c * C;
  return [A, c * h - b * i, b * f - c * e, B, a * i - c * g, c * d - a * f, C, b * g - a * h, a * e - b * d].map(
    (value) => value / det,
  );
}

/** Contrast sensitivity: for each opponent channel a sum of Gaussians, given as [weight, one-dimensional kernel]. */
const SENSITIVITY = (() => {
  const channels = [
    [[1, 0.0047]],
    [[1, 0.0053]],
    [
      [34.1, 0.04],
      [13.5, 0.025],
    ],
  ];
  const radius = Math.ceil(3 * Math.sqrt(0.04 / (2 * Math.PI ** 2)) * FLIP_PPD);
  return channels.map((terms) => {
    const kernels = terms.map(([a, b]) => {
      const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, at) =>
        Math.exp((-(Math.PI ** 2) * ((at - radius) / FLIP_PPD) ** 2) / b),
      );
      return [a * Math.sqrt(Math.PI / b), kernel];
    });
    const total = kernels.reduce((sum, [weight, kernel]) => sum + weight * kernel.reduce((x, y) => x + y) ** 2, 0);
    return kernels.map(([weight, kernel]) => [weight / total, kernel]);
  });
})();

const FEATURES = (() => {
  const sd = 0.5 * FLIP.w * FLIP_PPD,
    radius = Math.ceil(3 * sd);
  const at = Array.from({ length: 2 * radius + 1 }, (_, index) => index - radius);
  const gauss = at.map((x) => Math.exp(-(x * x) / (2 * sd * sd)));
  const unit = (kernel) => {
    const positive = kernel.reduce((sum, value) => sum + Math.max(value, 0), 0),
      negative = kernel.reduce((sum, value) => sum - Math.min(value, 0), 0);
    return Float64Array.from(kernel, (value) => (value < 0 ? value / negative : value / positive));
  };
  const sum = gauss.reduce((a, b) => a + b);
  return {
    smooth: Float64Array.from(gauss, (value) => value / sum),
    edge: unit(at.map((x, index) => -x * gauss[index])),
    point: unit(at.map((x, index) => ((x * x) / (sd * sd) - 1) * gauss[index])),
  };
})();

/** Convolve along rows with one kernel and along columns with another, repeating the border. */
function convolve(plane, width, height, across, down) {
  const middle = new Float32Array(plane.length),
    out = new Float32Array(plane.length);
  const ra = across.length >> 1,
    rd = down.length >> 1;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = -ra; k <= ra; k++)
        sum += across[k + ra] * plane[y * width + Math.min(Math.max(x + k, 0), width - 1)];
      middle[y * width + x] = sum;
    }
  for (let y = 0; y < height; y++) {
    for (let k = -rd; k <= rd; k++) {
      const row = Math.min(Math.max(y + k, 0), height - 1) * width,
        weight = down[k + rd];
      for (let x = 0; x < width; x++) out[y * width + x] += weight * middle[row + x];
    }
  }
  return out;
}

const LINEAR = Float64Array.from({ length: 256 }, (_, value) => {
  const c = value / 255;
  return c > 0.04045 ? ((c + 0.055) / 1.055) ** 2.4 : c / 12.92;
});

/** Linear opponent channels Y, Cx, Cz of an ImageData. */
function opponent({ data, width, height }) {
  const planes = [0, 1, 2].map(() => new Float32Array(width * height));
  for (let at = 0; at < width * height; at++) {
    const r = LINEAR[data[4 * at]],
      g = LINEAR[data[4 * at + 1]],
      b = LINEAR[data[4 * at + 2]];
    const [x, y, z] = [0, 1, 2].map(
      (row) => (TO_XYZ[3 * row] * r + TO_XYZ[3 * row + 1] * g + TO_XYZ[3 * row + 2] * b) / WHITE[row],
    );
    planes[0][at] = 116 * y - 16;
    planes[1][at] = 500 * (x - y);
    planes[2][at] = 200 * (y - z);
  }
  return planes;
}

const labCurve = (t) => (t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29);

/** CIELAB with Hunt's adjustment of the chroma, from linear RGB. */
function huntLab(r, g, b) {
  const [x, y, z] = [0, 1, 2].map((row) =>
    labCurve((TO_XYZ[3 * row] * r + TO_XYZ[3 * row + 1] * g + TO_XYZ[3 * row + 2] * b) / WHITE[row]),
  );
  const L = 116 * y - 16;
  return [L, 0.01 * L * 500 * (x - y), 0.01 * L * 200 * (y - z)];
}

function perceived(planes, width, height) {
  const [Y, Cx, Cz] = planes.map((plane, channel) => {
    const parts = SENSITIVITY[channel].map(([weight, kernel]) => [
      weight,
      convolve(plane, width, height, kernel, kernel),
    ]);
    return parts[0][1].map((_, at) => parts.reduce((sum, [weight, part]) => sum + weight * part[at], 0));
  });
  const lab = new Float32Array(3 * Y.length);
  const clip = (value) => Math.min(Math.max(value, 0), 1);
  for (let at = 0; at < Y.length; at++) {
    const y = (Y[at] + 16) / 116,
      x = (y + Cx[at] / 500) * WHITE[0],
      z = (y - Cz[at] / 200) * WHITE[2];
    const rgb = [0, 1, 2].map((row) =>
      clip(FROM_XYZ[3 * row] * x + FROM_XYZ[3 * row + 1] * y * WHITE[1] + FROM_XYZ[3 * row + 2] * z),
    );
    lab.set(huntLab(...rgb), 3 * at);
  }
  return lab;
}

const hyab = (a, b, at = 0) => Math.abs(a[at] - b[at]) + Math.hypot(a[at + 1] - b[at + 1], a[at + 2] - b[at + 2]);

function features(Y, width, height) {
  const y = Y.map((value) => (value + 16) / 116);
  const strength = (kernel) => {
    const dx = convolve(y, width, height, kernel, FEATURES.smooth),
      dy = convolve(y, width, height, FEATURES.smooth, kernel);
    return dx.map((value, at) => Math.hypot(value, dy[at]));
  };
  return { edges: strength(FEATURES.edge), points: strength(FEATURES.point) };
}

const prepared = new WeakMap();

/** What a picture gives to both pipelines; the original is compared with every codec, and prepared once. */
function prepare(image) {
  if (!prepared.has(image)) {
    const { width, height } = image,
      planes = opponent(image);
    prepared.set(image, { lab: perceived(planes, width, height), ...features(planes[0], width, height) });
  }
  return prepared.get(image);
}

/** The FLIP map of two ImageData of one size: a Float32Array of values 0..1. */
function flipMap(reference, test) {
  const { width, height } = reference,
    R = prepare(reference),
    T = prepare(test);
  const cmax = hyab(huntLab(0, 1, 0), huntLab(0, 0, 1)) ** FLIP.qc,
    knee = FLIP.pc * cmax;
  return Float32Array.from({ length: width * height }, (_, at) => {
    const power = hyab(R.lab, T.lab, 3 * at) ** FLIP.qc;
    const colour = power < knee ? (FLIP.pt / knee) * power : FLIP.pt + ((power - knee) / (cmax - knee)) * (1 - FLIP.pt);
    const feature = Math.max(Math.abs(R.edges[at] - T.edges[at]), Math.abs(R.points[at] - T.points[at]));
    return colour ** (1 - Math.min((feature / Math.SQRT2) ** FLIP.qf, 1));
  });
}
