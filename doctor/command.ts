import type { Command } from 'commander'

export { addSetupCommand } from './setup.js'

const MARKS = { works: '✓', missing: '–', broken: '✗' }

/** `uprez doctor`: what works on this machine, what is missing, how to get it. Fails where upscaling itself does not work. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('say what works on this machine, what is missing, and how to get it')
    .option('--json', 'as JSON on stdout')
    .action(async (options: { json?: boolean }) => {
      const { runChecks } = await import('./checks.js')
      const checks = await runChecks()
      if (options.json) console.log(JSON.stringify(checks, null, 2))
      else {
        const width = Math.max(...checks.map(({ name }) => name.length))
        for (const { name, state, detail, fix } of checks) {
          console.log(`${MARKS[state]} ${name.padEnd(width)}  ${detail}`)
          if (fix) console.log(`  ${' '.repeat(width)}  → ${fix}`)
        }
      }
      process.exitCode = checks.some(({ state }) => state === 'broken') ? 1 : 0
    })
}
