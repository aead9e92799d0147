import { type Command, InvalidArgumentError } from 'commander'

/** Adds `uprez serve` and `uprez key`. */
export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('Serve POST /upscale and the page over HTTP.')
    .option('-p, --port <number>', 'port to listen on (PORT; default 3000)', wholeNumber)
    .option('--host <address>', 'address to listen on (HOST; default 127.0.0.1: this machine only)')
    .option('-n, --model-name <id>', 'model for requests that name none')
    .option('-m, --model-path <path>', 'folder of models, or an .onnx file, looked at before UPREZ_MODELS and ./models')
    .option('--precision <name>', 'what models compute in: fp32, fp16 or int8; those without such a file are left out (UPREZ_PRECISION)')
    .option('--provider <name>', 'auto, cpu, cuda (cuda:0,1 for several cards), webgpu, ... (UPREZ_PROVIDER; default auto)')
    .option('--cors <origins...>', 'origins of pages that may call it, or * (UPREZ_CORS)')
    .option('--public', 'let other machines in without API keys (UPREZ_PUBLIC=1)')
    .addHelpText('after', '\nLimits are set by UPREZ_* variables: see docs/server.md.\n')
    .action(
      async (options: {
        port?: number
        host?: string
        modelName?: string
        modelPath?: string
        precision?: string
        provider?: string
        cors?: string[]
        public?: boolean
      }) => {
        // Express and the rest are not loaded for other commands.
        const { serve } = await import('./serve.js')
        const { modelName: model, ...rest } = options
        await serve({ model, ...rest })
      },
    )
  program
    .command('key')
    .description('Make an API key for the server.')
    .argument('<name>', 'whose it is, for the log')
    .action(async (name: string) => {
      const { makeKey } = await import('./keys.js')
      const { key, line } = makeKey(name)
      console.error(`key for ${name}, shown only now:`)
      console.log(key)
      console.error(`\nentry for UPREZ_API_KEYS, or a line of the file that it names:`)
      console.error(line)
    })
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}
