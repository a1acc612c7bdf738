import { ConvexProvider, ConvexReactClient } from 'convex/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { Failure } from './failure.tsx';
import './style.css';

const url = import.meta.env.VITE_CONVEX_URL as string | undefined;
const root = createRoot(document.getElementById('root') as HTMLElement);

if (url) {
  const client = new ConvexReactClient(url);
  root.render(
    <StrictMode>
      <ConvexProvider client={client}>
        <App />
      </ConvexProvider>
    </StrictMode>,
  );
} else {
  root.render(
    <Failure
      title="The page does not know its deployment"
      text="VITE_CONVEX_URL is not set. Start the page with: ./pnpmw turbo dev --filter convex-agent"
    />,
  );
}
