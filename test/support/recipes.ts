import { type Config, resolveConfig } from '../../train/config.js'

const critics = {
  srgan: { critic: { kind: 'srgan', channels: 4, hidden: 8 } },
  patch: { critic: { kind: 'patch', channels: 4, levels: 2 } },
  unet: { critic: { kind: 'unet', channels: 4 } },
}
/** The options of small critics. */
export const CRITICS: Record<keyof typeof critics, Record<string, unknown>> = critics

/** Every recipe once; among them batch norm on both sides, spectral norm, features of the critic, a first phase on pixels. */
export const RECIPES = {
  pixel: {},
  srgan: {
    ...CRITICS.srgan,
    recipe: 'srgan',
    network: { kind: 'srresnet', channels: 8, blocks: 1, norm: 'batch' },
    'losses.feature.network': 'critic',
    'losses.feature.weight': 0.1,
    'losses.feature.layers.act4': 1,
    'schedule.pixelSteps': 2,
  },
  esrgan: { ...CRITICS.unet, recipe: 'esrgan', 'losses.gan.kind': 'relativistic', 'losses.gan.weight': 0.1 },
  'wgan-gp': {
    ...CRITICS.patch,
    recipe: 'wgan-gp',
    'losses.gan.kind': 'wasserstein',
    'losses.gan.criticSteps': 2,
    'optimizer.beta1': 0,
    'optimizer.beta2': 0.9,
  },
} satisfies Record<Config['recipe'], Record<string, unknown>>

/** A run of six steps on patches of 8×8, twice as large after, four at a time. */
export function smallRun(photos: string, overrides: Record<string, unknown>): Config {
  return resolveConfig('tiny', {
    engine: 'wasm',
    'data.folders': [photos],
    'data.patch': 8,
    'data.batch': 4,
    'data.validation': 1,
    'optimizer.learningRate': 1e-3,
    'schedule.steps': 6,
    every: { log: 1, validate: 6, checkpoint: 6 },
    ...overrides,
  })
}
