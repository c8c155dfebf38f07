"""The objects that a cluster has when kubeadm has made it (recorded, kubeadm 1.36.2)."""
