// Addresses live behind the #, so that any server of static files will do.
import { createRouter, createWebHashHistory, type Router } from 'vue-router'
import type { SessionStore } from './composables/session'
import ConversationPage from './pages/ConversationPage.vue'
import InboxPage from './pages/InboxPage.vue'
import LogInPage from './pages/LogInPage.vue'
import NothingOpenPage from './pages/NothingOpenPage.vue'
import SettingsPage from './pages/SettingsPage.vue'

export function createAppRouter(session: SessionStore): Router {
  const router = createRouter({
    history: createWebHashHistory(),
    routes: [
      { path: '/login', name: 'login', component: LogInPage },
      {
        path: '/',
        component: InboxPage,
        children: [
          { path: '', name: 'inbox', component: NothingOpenPage },
          {
            path: 'conversations/:conversationId',
            name: 'conversation',
            component: ConversationPage,
            props: true,
          },
        ],
      },
      { path: '/settings', name: 'settings', component: SettingsPage },
      { path: '/:rest(.*)*', redirect: { name: 'inbox' } },
    ],
  })
  router.beforeEach(async (to) => {
    if (session.state.value === 'idle') await session.restore()
    if (to.name === 'login') return session.loggedIn.value ? { name: 'inbox' } : true
    // While it is not known who is there, App shows why instead of the page.
    if (session.loggedIn.value || session.state.value === 'error') return true
    return { name: 'login', query: to.name === 'inbox' ? {} : { to: to.fullPath } }
  })
  return router
}
