// What was begun and not sent, for each conversation; gone with the page, on purpose.
import { reactive } from 'vue'

export type Drafts = ReturnType<typeof createDrafts>

export function createDrafts() {
  const texts = reactive(new Map<string, string>())
  return {
    get: (key: string) => texts.get(key) ?? '',
    set: (key: string, text: string) => {
      if (text) texts.set(key, text)
      else texts.delete(key)
    },
    clear: () => texts.clear(),
  }
}
