import { Argument, type Command } from 'commander'

/** `uprez setup tensorflow`: makes what npm cannot bring. */
export function addSetupCommand(program: Command): void {
  program
    .command('setup')
    .description('make the native TensorFlow engine for training, in your cache folder (Linux; needs python3 with pip, and g++)')
    .addArgument(new Argument('<what>', 'what to set up').choices(['tensorflow']))
    .action(async () => {
      const { nativeFolder, setupNative } = await import('./native.js')
      const outcome = await setupNative(line => console.error(line))
      console.log(
        outcome === 'ready'
          ? `the native engine is ready in ${nativeFolder()}; nothing to do`
          : `the native engine was made in ${nativeFolder()}`,
      )
    })
}
