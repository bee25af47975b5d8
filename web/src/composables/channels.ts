// The business's numbers; read once after logging in.
import { ref, shallowRef } from 'vue'
import type { Client } from '@/api/client'
import type { Channel } from '@/api/types'
import { problemOf } from '@/domain/problems'
import type { LoadState } from './state'

export type Channels = ReturnType<typeof createChannels>

export function createChannels(api: Client) {
  const channels = shallowRef<Channel[]>([])
  const state = ref<LoadState>('idle')
  const problem = ref('')

  async function load(): Promise<void> {
    state.value = 'loading'
    try {
      channels.value = await api.listChannels()
      state.value = 'done'
    } catch (error) {
      state.value = 'error'
      problem.value = problemOf(error).text
    }
  }

  return {
    channels,
    state,
    problem,
    load,
    nameOf: (id: string) => channels.value.find((channel) => channel.id === id)?.displayName ?? '',
  }
}
