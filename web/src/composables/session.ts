// Who is logged in. The session itself is a cookie that only the server reads.
import { computed, ref, shallowRef } from 'vue'
import type { Client } from '@/api/client'
import type { Session } from '@/api/types'
import { isLoggedOut, problemOf } from '@/domain/problems'
import type { LoadState } from './state'

export type SessionStore = ReturnType<typeof createSession>

export function createSession(api: Client) {
  const session = shallowRef<Session>()
  // `done` also without a session: it is known that nobody is logged in.
  const state = ref<LoadState>('idle')
  const problem = ref('')

  async function restore(): Promise<void> {
    state.value = 'loading'
    try {
      session.value = await api.currentSession()
      state.value = 'done'
    } catch (error) {
      session.value = undefined
      state.value = isLoggedOut(error) ? 'done' : 'error'
      problem.value = isLoggedOut(error) ? '' : problemOf(error).text
    }
  }

  // Undefined when it worked, otherwise why not.
  async function logIn(email: string, password: string): Promise<string | undefined> {
    try {
      session.value = await api.logIn(email, password)
      state.value = 'done'
      return undefined
    } catch (error) {
      return problemOf(error).text
    }
  }

  async function logOut(): Promise<string | undefined> {
    try {
      await api.logOut()
    } catch (error) {
      // The cookie is still good: pretending otherwise would leave the inbox open to the next.
      if (!isLoggedOut(error)) return problemOf(error).text
    }
    session.value = undefined
    return undefined
  }

  // Whether somebody is still logged in, as far as can be known.
  async function check(): Promise<boolean> {
    try {
      session.value = await api.currentSession()
      return true
    } catch (error) {
      return !isLoggedOut(error)
    }
  }

  return {
    session,
    state,
    problem,
    loggedIn: computed(() => session.value !== undefined),
    mayWrite: computed(() => session.value !== undefined && session.value.role !== 'ROLE_VIEWER'),
    restore,
    logIn,
    logOut,
    check,
    expire: () => {
      session.value = undefined
    },
  }
}
