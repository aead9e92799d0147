import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import { setupCommand } from '../setup-command.js'
import { registerConvBias } from './conv-bias.js'
import { type NativeVariant, nativeAddon } from './native.js'
import { registerNativeGradients } from './native-gradients.js'
import { dawnAddon, findAdapter, provideWebgpu } from './webgpu.js'

export type Tf = typeof TF
/**
 * `tensorflow`: native; `webgpu`: graphics cards, by Dawn; `wasm`: npm alone; `cpu`: plain JavaScript, a hundred times slower, for
 * tests. On webgpu numbers are read with `await data()` only: `dataSync` needs a browser.
 */
export const ENGINES = ['tensorflow', 'webgpu', 'wasm', 'cpu'] as const
export type EngineName = (typeof ENGINES)[number]

const require = createRequire(import.meta.url)

/**
 * Loads TensorFlow.js and makes the engine its backend. One process uses one engine.
 * @param variant of the native engine; without it, CUDA's where there is one
 * @throws UprezError `engine-unavailable` with the way to get it
 */
export async function useEngine(name?: EngineName, variant?: NativeVariant): Promise<Tf> {
  const engine = name ?? (await defaultEngine())
  // tfjs looks for the graphics card while it is loaded.
  if (engine === 'webgpu') await provideWebgpu()
  const tf = loadTf()
  tf.env().set('IS_NODE', true)
  if (engine === 'tensorflow') registerNative(tf, variant)
  if (engine === 'webgpu') require('@tensorflow/tfjs-backend-webgpu')
  if (engine === 'wasm') await registerWasm(tf)
  if (!(await tf.setBackend(engine))) {
    throw new UprezError('engine-unavailable', `the ${engine} engine did not start`, { param: 'engine', got: engine })
  }
  await tf.ready()
  registerNativeGradients(tf)
  registerConvBias(tf)
  // The plain JavaScript kernels advise the native package where they find themselves in Node; which engine runs is our choice.
  tf.env().set('IS_NODE', false)
  return tf
}

/**
 * `tensorflow` where it has been set up, else `webgpu` where a graphics card answers, else `wasm`.
 * @throws UprezError `engine-unavailable` where WebGPU has been set up and cannot be loaded
 */
export async function defaultEngine(): Promise<EngineName> {
  if (nativeAddon()) return 'tensorflow'
  const adapter = dawnAddon() && (await findAdapter())
  return adapter && !adapter.software ? 'webgpu' : 'wasm'
}

/** What computes, for people: CPU, GPU, or a graphics adapter by its name. */
export async function deviceOf(tf: Tf): Promise<string> {
  if (tf.getBackend() === 'webgpu') {
    const { name, software } = (await findAdapter())!
    return software ? `${name} (software)` : name
  }
  const { isUsingGpuDevice } = tf.backend() as unknown as { isUsingGpuDevice?: boolean }
  return isUsingGpuDevice ? 'GPU' : 'CPU'
}

/** tfjs as CommonJS: its ESM build cannot be loaded by Node, and the native kernels must meet the same copy. */
function loadTf(): Tf {
  restoreRemovedUtils()
  return require('@tensorflow/tfjs') as Tf
}

function registerNative(tf: Tf, variant?: NativeVariant): void {
  if (tf.engine().registryFactory.tensorflow) return
  const addon = nativeAddon(variant)
  if (!addon) {
    throw new UprezError(
      'engine-unavailable',
      `the native TensorFlow engine is not set up; run \`${setupCommand('tensorflow')}\`, or use --engine wasm`,
      {
        param: 'engine',
        got: 'tensorflow',
      },
    )
  }
  // Warnings and worse. One remark (that oneDNN is on) is written while the library loads, before it looks at this.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  // The thread that waits for oneDNN takes a share of the work: 5% of a step on two cores.
  process.env.TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD ??= '1'
  // Else it takes all of a graphics card's memory at once.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true'
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
    const again = `${setupCommand('tensorflow')}${addon === nativeAddon('cuda') ? ' --cuda' : ''}`
    throw new UprezError(
      'engine-unavailable',
      `the native TensorFlow engine cannot be loaded: ${reason}; make it again with \`${again}\`, or remove ${dirname(addon)}`,
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
