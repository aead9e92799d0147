import { type Command, InvalidArgumentError } from 'commander'

/** Adds `uprez serve`. */
export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('Serve POST /upscale and the page over HTTP.')
    .option('-p, --port <number>', 'port to listen on (PORT; default 3000)', wholeNumber)
    .option('--host <address>', 'address to listen on (HOST; default 127.0.0.1: this machine only)')
    .option('-n, --model-name <id>', 'model for requests that name none')
    .option('-m, --model-path <folder>', 'folder of models, looked at before UPREZ_MODELS and ./models')
    .addHelpText('after', '\nLimits are set by UPREZ_* variables: see docs/server.md.\n')
    .action(async (options: { port?: number; host?: string; modelName?: string; modelPath?: string }) => {
      // Express and the rest are not loaded for other commands.
      const { serve } = await import('./serve.js')
      const { port, host, modelName: model, modelPath } = options
      await serve({ port, host, model, modelPath })
    })
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}
