import { saveCheckpoint } from '../../train/checkpoint.js'
import { stubRecipe } from '../support/stub-recipe.js'

// A child process of checkpoint.test.ts: saves one checkpoint after another into the folder named, until it is killed.
const recipe = stubRecipe(Number(process.argv[3]))
for (let step = 1; ; step++) {
  for (const vector of Object.values(recipe.values)) vector.fill(step)
  await saveCheckpoint(process.argv[2]!, recipe, { step, best: null }, 2)
  process.stdout.write(`${step}\n`)
}
