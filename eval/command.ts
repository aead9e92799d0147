import { type Command, InvalidArgumentError, Option } from 'commander'

/** What commander hands over. */
export interface EvalOptions {
  modelName?: string[]
  modelPath?: string
  data: string[]
  scale?: number
  checks?: true
  saveImages?: string
  writeCard?: true
  output?: string
  csv?: true
  json?: true
}

/** `uprez eval`: the scores of models on sets of pictures, by the protocol of the published tables. */
export function addEvalCommand(program: Command): void {
  program
    .command('eval')
    .description('measure models on sets of pictures, beside bilinear, bicubic and Lanczos: PSNR, SSIM, NIQE and time')
    .option('-n, --model-name <models...>', 'one or more models, by id, folder or .onnx file (default: fast-x4)')
    .option('-m, --model-path <path>', 'a model folder, a folder of them, or an .onnx file, looked at first')
    .requiredOption(
      '--data <folders...>',
      'folders of high-resolution pictures, or of pairs in lq/ and gt/; others stand for the folders in them',
    )
    .option(
      '-s, --scale <factor>',
      "whole factor to evaluate at (default: each model's own; another is reached by a final resize)",
      wholeFactor,
    )
    .option('--checks', 'also how well the results keep to the low side, to the mean colours, and whether they show its grid')
    .option('--save-images <folder>', 'write the low pictures and all results there')
    .option('--write-card', "put the scores onto the models' card.json")
    .option('-o, --output <file>', 'write the report there, not to stdout')
    .addOption(new Option('--csv', 'the table as CSV').conflicts('json'))
    .option('--json', 'every figure of every picture as JSON')
    .action(async (options: EvalOptions) => {
      const { runEvaluation } = await import('./run.js')
      process.exitCode = await runEvaluation(options)
    })
}

function wholeFactor(text: string): number {
  if (/^([2-9]|1[0-6])$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a whole number from 2 to 16.')
}
