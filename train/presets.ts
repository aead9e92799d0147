/**
 * What each preset changes in the defaults of `config.ts`, each value with its reason.
 */
export const PRESETS: Record<string, Record<string, unknown>> = {
  'fast-x4': {
    // 11 × 9,216 weights and both ends come to 116 k, inside the 120 k that keep a browser tab quick.
    network: { kind: 'fast', channels: 32, blocks: 11, expansion: 64 },
    // Detail lives in luma: weighting it spends the few channels where eyes (and PSNR-Y) look.
    // The mean squared error, once L1 has settled, is what PSNR measures.
    losses: { pixel: { luma: 1, l2From: 0.8 } },
  },
  // Half a minute on wasm: for trying the whole road from a folder of pictures to a served model, and for our tests.
  tiny: {
    scale: 2,
    // Nearly linear and in a hurry: in so few steps that is what overtakes bicubic.
    network: { kind: 'fast', channels: 16, blocks: 2, expansion: 32, slope: 0.5 },
    optimizer: { learningRate: 1e-2 },
    data: { patch: 16, batch: 8, validation: 2 },
    schedule: { steps: 300, warmup: 20 },
    // 0.999 would still remember the start.
    ema: 0.98,
    every: { log: 10, validate: 100, checkpoint: 50 },
  },
}
