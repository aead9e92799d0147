import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import { nativeAddon } from './native.js'

export type Tf = typeof TF
/** `tensorflow`: native; `wasm`: npm alone; `cpu`: plain JavaScript, a hundred times slower, for tests. */
export const ENGINES = ['tensorflow', 'wasm', 'cpu'] as const
export type EngineName = (typeof ENGINES)[number]

const require = createRequire(import.meta.url)

/**
 * Loads TensorFlow.js and makes the engine its backend. One process uses one engine.
 * @param name the engine; default `tensorflow` where it has been set up, else `wasm`
 * @throws UprezError `engine-unavailable` with the way to get it
 */
export async function useEngine(name: EngineName = defaultEngine()): Promise<Tf> {
  const tf = loadTf()
  tf.env().set('IS_NODE', true)
  if (name === 'tensorflow') registerNative(tf)
  if (name === 'wasm') await registerWasm(tf)
  if (!(await tf.setBackend(name))) {
    throw new UprezError('engine-unavailable', `the ${name} engine did not start`, { param: 'engine', got: name })
  }
  await tf.ready()
  // The plain JavaScript kernels advise the native package where they find themselves in Node; which engine runs is our choice.
  tf.env().set('IS_NODE', false)
  return tf
}

export function defaultEngine(): EngineName {
  return nativeAddon() ? 'tensorflow' : 'wasm'
}

/** tfjs as CommonJS: its ESM build cannot be loaded by Node, and the native kernels must meet the same copy. */
function loadTf(): Tf {
  restoreRemovedUtils()
  return require('@tensorflow/tfjs') as Tf
}

function registerNative(tf: Tf): void {
  if (tf.engine().registryFactory.tensorflow) return
  const addon = nativeAddon()
  if (!addon) {
    throw new UprezError(
      'engine-unavailable',
      'the native TensorFlow engine is not set up; run `npm run setup -- tensorflow`, or use --engine wasm',
      {
        param: 'engine',
        got: 'tensorflow',
      },
    )
  }
  // Warnings and worse. One remark (that oneDNN is on) is written while the library loads, before it looks at this.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  const binding = loadAddon(addon)
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels')
  const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend') as {
    NodeJSKernelBackend: new (binding: unknown, packageName: string) => TF.KernelBackend
  }
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, 'tfjs-node'), 3)
}

function loadAddon(addon: string): unknown {
  try {
    return require(addon)
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw new UprezError(
      'engine-unavailable',
      `the native TensorFlow engine cannot be loaded: ${reason}; make it again with \`npm run setup -- tensorflow\``,
      {
        param: 'engine',
        got: addon,
        cause,
      },
    )
  }
}

async function registerWasm(tf: Tf): Promise<void> {
  const wasm = require('@tensorflow/tfjs-backend-wasm') as { setWasmPaths(folder: string): void }
  wasm.setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep)
  const { registerConvolutionGradients } = await import('./wasm-gradients.js')
  registerConvolutionGradients(tf)
}

/** tfjs-node 4.22 calls util functions that Node 23 removed. */
function restoreRemovedUtils(): void {
  const util = require('node:util') as Record<string, unknown>
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined
  util.isArray ??= Array.isArray
}
