import type { Command } from 'commander'

/** `uprez inspect FILE|MODEL` */
export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description(
      'say what is in an ONNX file: inputs, operators, parameters, operations, receptive field, precision, and whether its card agrees',
    )
    .argument('<file>', 'an .onnx file, or a model by its id or its folder')
    .option('--json', 'all of it as JSON')
    .action(async (file: string, { json }: { json?: true }) => {
      const { inspect } = await import('./inspect.js')
      const { reportLines } = await import('./report.js')
      const found = await inspect(file, { say: line => console.error(line) })
      console.log(json ? JSON.stringify(found, null, 2) : reportLines(found).join('\n'))
      process.exitCode = found.card?.agrees === false ? 1 : 0
    })
}
