import { Argument, type Command } from 'commander'
import { UprezError } from '../errors.js'

type Say = (line: string) => void

/** What can be set up, each into the user's cache folder, by its name on the command line. */
const PARTS: Record<string, (say: Say, cuda: boolean) => Promise<{ what: string; outcome: 'ready' | 'made'; folder: string }>> = {
  async tensorflow(say, cuda) {
    const { nativeFolder, setupNative } = await import('./native.js')
    const variant = cuda ? 'cuda' : 'cpu'
    return { what: `the native engine${cuda ? ' for CUDA' : ''}`, outcome: await setupNative(say, variant), folder: nativeFolder(variant) }
  },
  async webgpu(say) {
    const { setupWebgpu, webgpuFolder } = await import('./webgpu.js')
    return { what: 'WebGPU', outcome: await setupWebgpu(say), folder: webgpuFolder() }
  },
  async features(say) {
    const { INCEPTION_TITLE, inceptionFolder, setupFeatures } = await import('./features/inception.js')
    return { what: INCEPTION_TITLE, outcome: await setupFeatures(say), folder: inceptionFolder() }
  },
}

/** `uprez setup tensorflow|webgpu|features`: makes what `npm ci` does not bring. */
export function addSetupCommand(program: Command): void {
  program
    .command('setup')
    .description('make what training can use beyond npm, in your cache folder')
    .addArgument(
      new Argument(
        '<what>',
        'tensorflow: the native engine (Linux; needs python3 with pip, and g++); webgpu: graphics cards (51 MB); features: a network for feature losses (25 MB)',
      ).choices(Object.keys(PARTS)),
    )
    .option('--cuda', 'tensorflow for NVIDIA graphics cards (3.4 GB; not run on one yet)')
    .action(async (name: string, { cuda = false }: { cuda?: boolean }) => {
      if (cuda && name !== 'tensorflow') {
        throw new UprezError('invalid-option', `--cuda goes with tensorflow, not with ${name}`, {
          param: '--cuda',
          expected: 'tensorflow',
          got: name,
        })
      }
      const { what, outcome, folder } = await PARTS[name]!(line => console.error(line), cuda)
      console.log(outcome === 'ready' ? `${what} is ready in ${folder}; nothing to do` : `${what} was made in ${folder}`)
    })
}
