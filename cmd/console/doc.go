// Package console is where people meet a running daemon: the control socket, by which commands reach it, and the page.
//
// The control socket is a unix socket that speaks HTTP: POST /ask/NAME with a request of package desk in JSON. The answer is a line of JSON
// for each step of progress, and a last one with the answer or the error. Who asks is told by the kernel, and who may ask by the socket's
// mode. See [Listen] for where it lies, and [Ask] for the command's side.
package console
