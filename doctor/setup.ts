import { Argument, type Command } from 'commander'
import { UprezError } from '../errors.js'

interface Flags {
  /** Of tensorflow. */
  cuda?: boolean
  /** Of cuda. */
  from?: string
}

type Say = (line: string) => void

/** What can be set up, each into the user's cache folder, by its name on the command line. */
const PARTS: Record<string, (say: Say, flags: Flags) => Promise<{ what: string; outcome: 'ready' | 'made'; folder: string }>> = {
  async tensorflow(say, { cuda = false }) {
    const { nativeFolder, setupNative } = await import('../nets/native.js')
    const variant = cuda ? 'cuda' : 'cpu'
    return { what: `the native engine${cuda ? ' for CUDA' : ''}`, outcome: await setupNative(say, variant), folder: nativeFolder(variant) }
  },
  async webgpu(say) {
    const { setupWebgpu, webgpuFolder } = await import('../nets/webgpu.js')
    return { what: 'WebGPU', outcome: await setupWebgpu(say), folder: webgpuFolder() }
  },
  async features(say) {
    const { INCEPTION_TITLE, inceptionFolder, setupFeatures } = await import('../nets/features/inception.js')
    return { what: INCEPTION_TITLE, outcome: await setupFeatures(say), folder: inceptionFolder() }
  },
  async cuda(say, { from }) {
    const { cudaFolder, setupCuda } = await import('../infer/cuda.js')
    const outcome = await setupCuda(say, from)
    say(await proven())
    return { what: 'the CUDA provider of ONNX Runtime', outcome, folder: cudaFolder() }
  },
}

/** Which flag goes with which part. */
const OWNERS = { cuda: 'tensorflow', from: 'cuda' }

/** `uprez setup tensorflow|webgpu|features|cuda`: makes what npm does not bring. */
export function addSetupCommand(program: Command): void {
  program
    .command('setup')
    .description('make what can be used beyond npm, in your cache folder')
    .addArgument(
      new Argument(
        '<what>',
        [
          'for upscaling: cuda: ONNX Runtime on NVIDIA graphics cards (Linux; needs python3 with pip; 1.3 GB; not run on one yet)',
          'for training: tensorflow: the native engine (Linux; needs python3 with pip, and g++); webgpu: graphics cards (51 MB); features: a network for feature losses (25 MB)',
        ].join('. '),
      ).choices(Object.keys(PARTS)),
    )
    .option('--cuda', 'tensorflow for NVIDIA graphics cards (3.4 GB; not run on one yet)')
    .option('--from <path>', "cuda out of a wheel of onnxruntime-gpu, a NuGet package, or a folder with the provider's two files")
    .action(async (name: string, flags: Flags) => {
      for (const flag of ['cuda', 'from'] as const) if (flags[flag] !== undefined && name !== OWNERS[flag]) throw misplaced(flag, name)
      const { what, outcome, folder } = await PARTS[name]!(line => console.error(line), flags)
      console.log(outcome === 'ready' ? `${what} is ready in ${folder}; nothing to do` : `${what} was made in ${folder}`)
    })
}

/** What a tile of the model that everybody has says of it. */
async function proven(): Promise<string> {
  const [{ describeReport, tryProvider }, { DEFAULT_MODEL, findModel }] = await Promise.all([
    import('../infer/providers.js'),
    import('../models/catalog.js'),
  ])
  const { folder } = await findModel(DEFAULT_MODEL)
  return describeReport((await tryProvider('cuda', [0], { folder, precision: 'fp32' })).report)
}

function misplaced(flag: keyof typeof OWNERS, name: string): UprezError {
  return new UprezError('invalid-option', `--${flag} goes with ${OWNERS[flag]}, not with ${name}`, {
    param: `--${flag}`,
    expected: OWNERS[flag],
    got: name,
  })
}
