import { createApp } from 'vue'
import App from './App.vue'
import { createServices, servicesKey } from './composables/useServices'
import { createAppRouter } from './router'
import './styles.css'

const services = createServices()
createApp(App).provide(servicesKey, services).use(createAppRouter(services.session)).mount('#app')
