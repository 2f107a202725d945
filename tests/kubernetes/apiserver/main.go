// One program that is etcd and kube-apiserver, by its first word, as busybox is: each takes its own flags.
//
// Tests start both on loopback, or those in the folder that KUBEBUILDER_ASSETS names.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kube {etcd|kube-apiserver} FLAGS...")
		os.Exit(2)
	}
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	default:
		fmt.Fprintf(os.Stderr, "%s is neither etcd nor kube-apiserver\n", os.Args[0])
		os.Exit(2)
	}
}
