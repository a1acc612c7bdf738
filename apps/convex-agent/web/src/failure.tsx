import { Component, type ReactNode } from 'react';

export function Failure(props: { title: string; text: string; onRetry?: () => void; back?: boolean }) {
  return (
    <div className="failure" role="alert">
      <h2>{props.title}</h2>
      <p>{props.text}</p>
      <p className="row">
        {props.onRetry && (
          <button type="button" onClick={props.onRetry}>
            Try again
          </button>
        )}
        {props.back && <a href="#/">All workflows</a>}
      </p>
    </div>
  );
}

/** Shows what went wrong below it, in place of a blank page. A changed `resetKey` tries again. */
export class FailureBoundary extends Component<
  { children: ReactNode; resetKey?: string },
  { error: Error | undefined; key: string | undefined }
> {
  override state = { error: undefined as Error | undefined, key: this.props.resetKey };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  static getDerivedStateFromProps(props: { resetKey?: string }, state: { key: string | undefined }) {
    return props.resetKey === state.key ? null : { key: props.resetKey, error: undefined };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    const missing = /ArgumentValidationError|Could not find/.test(error.message);
    return (
      <Failure
        title={missing ? 'There is no such workflow' : 'This part could not be shown'}
        text={missing ? 'It may have been deleted, or the address is mistyped.' : firstLine(error.message)}
        back={this.props.resetKey !== undefined}
        onRetry={() => this.setState({ error: undefined })}
      />
    );
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
