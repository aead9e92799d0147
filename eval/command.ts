import { type Command, InvalidArgumentError } from 'commander'

/** What commander hands over. */
export interface EvalOptions {
  modelName?: string
  modelPath?: string
  data: string[]
  scale?: number
  saveImages?: string
  writeCard?: true
  json?: true
}

/** `uprez eval`: a model's scores on sets of pictures, by the protocol of the published tables. */
export function addEvalCommand(program: Command): void {
  program
    .command('eval')
    .description('measure a model on sets of pictures: PSNR-Y, SSIM-Y and time, beside bilinear and bicubic')
    .option('-n, --model-name <id>', 'the model (default: fast-x4)')
    .option('-m, --model-path <folder>', 'a model folder, or a folder of them, looked at first')
    .requiredOption('--data <folders...>', 'folders of high-resolution pictures; one that holds only folders stands for each of them')
    .option(
      '-s, --scale <factor>',
      "whole factor to evaluate at (default: the model's own; another is reached by a final resize)",
      wholeFactor,
    )
    .option('--save-images <folder>', 'write the low, bicubic and upscaled pictures there')
    .option('--write-card', "put the scores onto the model's card.json")
    .option('--json', 'print every figure as JSON on stdout')
    .action(async (options: EvalOptions) => {
      const { runEvaluation } = await import('./run.js')
      process.exitCode = await runEvaluation(options)
    })
}

function wholeFactor(text: string): number {
  if (/^([2-9]|1[0-6])$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a whole number from 2 to 16.')
}
