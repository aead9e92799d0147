/**
 * Detail lives in luma: weighting it spends the few channels where eyes (and PSNR-Y) look.
 * The mean squared error, once L1 has settled, is what PSNR measures.
 */
const FAST_LOSSES = { pixel: { luma: 1, l2From: 0.8 } }

/**
 * The 16 residual blocks of 64 channels of SRGAN's generator (Ledig et al. 2017, figure 4) in EDSR's form, ReLU between 3×3 ends:
 * batch norm costs a third of the step, and EDSR (Lim et al. 2017, section 3.1) does better without it.
 */
const SRRESNET = { kind: 'srresnet', norm: 'none' }

/** 24×24 low-resolution patches, 16 a batch (the default): Ledig et al. 2017, section 3.2. */
const SRGAN_DATA = { patch: 24 }

/** With half the paper's batch a contest takes twice the steps in the same hour: what the critic has to see is many of them. */
const CONTEST_DATA = { ...SRGAN_DATA, batch: 8 }

/**
 * A critic is glad of any fine structure, and a grid is the cheapest. `translation`, one less than the scale, so that strided critics
 * teach none; `grid`, so that none pays: docs/features.md. No feature loss: what everybody can fetch draws a grid, too (there).
 */
const CONTEST_LOSSES = { grid: { weight: 10 }, translation: 3 }

/** PSNR falls while texture comes: by it, the beginning would stay the best. */
const BEST_BY_NIQE = { best: { metric: 'NIQE' } }

/**
 * What each preset changes in the defaults of `config.ts`, each value with its reason or its paper. The default network is that of
 * the fast ones: 13 3×3 convolutions, which come to 116 k parameters, inside the 120 k that keep a browser tab quick.
 */
export const PRESETS: Record<string, Record<string, unknown>> = {
  'fast-x2': {
    scale: 2,
    // The body of a ×4 network knows edges already; only the last layer differs in shape.
    from: 'fast-x4',
    losses: FAST_LOSSES,
    schedule: { steps: 25_000 },
  },
  'fast-x3': { scale: 3, from: 'fast-x4', losses: FAST_LOSSES, schedule: { steps: 25_000 } },
  'fast-x4': { losses: FAST_LOSSES },

  // For pictures from the wild: blurred, noisy, compressed, resized before.
  'real-x4': {
    // What sharpens clean pictures is where repairing poor ones begins; and it must be as quick, to be the one taken by default.
    from: 'fast-x4',
    // A fifth is left clean, so that clean pictures stay as they were.
    degradation: { kind: 'real-esrgan', clean: 0.2 },
    losses: { pixel: { luma: 1 } },
    // A rate that does not shake the trained weights apart.
    optimizer: { learningRate: 5e-4 },
    schedule: { steps: 25_000 },
  },

  // Dong et al. 2016, section 4: 9-5-5 filters, mean squared error.
  'srcnn-x4': {
    network: { kind: 'srcnn' },
    losses: { pixel: { kind: 'l2' } },
  },

  'srresnet-x4': {
    network: SRRESNET,
    data: SRGAN_DATA,
    losses: { pixel: { l2From: 0.9 } },
    // The paper's 1e-4 is for a million steps of batch norm; 60,000 steps need a quicker start.
    optimizer: { learningRate: 4e-4 },
    schedule: { steps: 60_000 },
  },

  // Ledig et al. 2017, section 3.2, with less of everything: weight 5e-3 instead of 1e-3, for thousands of steps instead of 2·10⁵.
  'srgan-x4': {
    recipe: 'srgan',
    from: 'srresnet-x4',
    network: SRRESNET,
    // Half the paper's channels: a quarter of its critic's multiplications, in budgets of two cores.
    critic: { kind: 'srgan', channels: 32 },
    data: CONTEST_DATA,
    losses: CONTEST_LOSSES,
    // At the paper's 1e-4, and twice this weight, the pixel loss more than doubled in 200 steps.
    optimizer: { learningRate: 4e-5, criticLearningRate: 2e-4 },
    schedule: { steps: 2000, warmup: 100 },
    ...BEST_BY_NIQE,
  },

  'wgan-gp-x4': {
    recipe: 'wgan-gp',
    from: 'srresnet-x4',
    network: SRRESNET,
    // With 32 channels and 3 levels its estimate of the distance was half of this one's.
    critic: { kind: 'patch', channels: 48, levels: 4 },
    data: CONTEST_DATA,
    // With the paper's λ of 10 the norm of the gradient stood at 1.25: about 1 + distance / 2λ.
    losses: { ...CONTEST_LOSSES, gan: { kind: 'wasserstein', penalty: 30, criticSteps: 2 } },
    // Gulrajani et al. 2017, algorithm 1: momentum makes the critic chase a moving target.
    optimizer: { learningRate: 8e-5, criticLearningRate: 2e-4, beta1: 0, beta2: 0.9 },
    schedule: { steps: 2400, warmup: 100 },
    ...BEST_BY_NIQE,
  },

  // Wang et al. 2018, section 4.1: 5e-3 relativistic. Their 1e-2 for pixels is against VGG19's features, which you bring: docs/features.md.
  'esrgan-x4': {
    recipe: 'esrgan',
    network: { kind: 'rrdb' },
    critic: { kind: 'srgan' },
    data: { patch: 32 },
    losses: { ...CONTEST_LOSSES, gan: { kind: 'relativistic' } },
    optimizer: { learningRate: 1e-4 },
    // The contest begins from a generator trained on pixels; the milestones are the paper's, counted from there.
    schedule: { kind: 'multistep', steps: 500_000, pixelSteps: 100_000, milestones: [150_000, 200_000, 300_000, 400_000] },
    ...BEST_BY_NIQE,
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
