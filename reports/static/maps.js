// Error maps and local PSNR, computed from the decoded pixels.

const MAP_LIMIT = 16e6; // pixels; larger pictures would stop the browser for many seconds

const pixelCache = new Map();
async function readPixels(key) {
  const image = new Image();
  image.src = await losslessUrl(key);
  await image.decode();
  const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** A frame's pixels as ImageData; the last few are kept. */
function pixels(key) {
  if (!pixelCache.has(key)) {
    pixelCache.set(key, readPixels(key));
    if (pixelCache.size > 24) pixelCache.delete(pixelCache.keys().next().value);
  }
  return pixelCache.get(key);
}

/** PSNR over all samples inside a box, as the rows' PSNR is over the whole picture. */
function localPsnr(a, b, [x, y, width, height]) {
  let sum = 0;
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) {
      const at = 4 * (row * a.width + column);
      for (let channel = 0; channel < 3; channel++) sum += (a.data[at + channel] - b.data[at + channel]) ** 2;
    }
  return 10 * Math.log10((255 ** 2 * 3 * width * height) / sum); // identical: 1/0 is Infinity, as it should be
}

// The magma colours at nine even steps, linearly in between: dark is no error, and luminance rises with the error.
const MAGMA = [
  [0, 0, 4],
  [28, 16, 68],
  [79, 18, 123],
  [129, 37, 129],
  [181, 54, 122],
  [229, 80, 100],
  [251, 135, 97],
  [254, 194, 135],
  [252, 253, 191],
];

function magma(value) {
  const at = Math.min(Math.max(value, 0), 1) * (MAGMA.length - 1),
    low = Math.min(Math.floor(at), MAGMA.length - 2);
  return MAGMA[low].map((channel, index) => channel + (at - low) * (MAGMA[low + 1][index] - channel));
}

const MAGMA_TABLE = Array.from({ length: 256 }, (_, at) => magma(at / 255));

const MAPS = {
  abs: {
    name: "absolute",
    legend: (gain) => `largest difference of the three channels, 0 to ${Math.round(255 / gain)}`,
    paint: (a, b, out, gain) => {
      for (let at = 0; at < out.length; at += 4) {
        const error = Math.max(
          Math.abs(a[at] - b[at]),
          Math.abs(a[at + 1] - b[at + 1]),
          Math.abs(a[at + 2] - b[at + 2]),
        );
        out.set(MAGMA_TABLE[Math.min(255, error * gain)], at);
      }
    },
  },
  signed: {
    name: "signed",
    legend: (gain) => `each channel: grey is equal, lighter is too light, ±${Math.round(127 / gain)}`,
    paint: (a, b, out, gain) => {
      for (let at = 0; at < out.length; at++) out[at] = 128 + gain * (b[at] - a[at]);
    },
  },
  flip: {
    name: "FLIP",
    legend: () => "perceptual difference, 0 to 1, seen at 67 pixels a degree",
    paint: (a, b, out, _, reference, test) =>
      flipMap(reference, test).forEach((value, at) => out.set(MAGMA_TABLE[Math.round(255 * value)], 4 * at)),
  },
};

/** Draw a map of `key` against `truth` into a canvas. */
async function drawMap(canvas, map, truth, key, gain) {
  const [reference, test] = await Promise.all([pixels(truth), pixels(key)]);
  if (reference.width * reference.height > MAP_LIMIT) throw new Error("maps are made of pictures up to 16 megapixels");
  const out = new ImageData(reference.width, reference.height);
  await new Promise((resolve) => {
    setTimeout(resolve); // let the browser show that something is under way
  });
  MAPS[map].paint(reference.data, test.data, out.data, gain, reference, test);
  for (let at = 3; at < out.data.length; at += 4) out.data[at] = 255;
  Object.assign(canvas, { width: out.width, height: out.height }).getContext("2d").putImageData(out, 0, 0);
}
