#!/bin/sh
# Makes the certificates with which KEDA and the scaler know each other: an authority of their own, and one certificate each,
# valid for a year. Run again with the same folder, it keeps the authority and makes the two anew.
#
#   sh deploy/scaler/certificates.sh FOLDER
#
# FOLDER/scaler and FOLDER/keda are then what the two secrets hold. FOLDER/ca.key can let anybody in: keep it off the cluster.
set -eu
umask 077
mkdir -p "${1:?usage: certificates.sh FOLDER}"
cd "$1"
host=pelton-scaler.pelton-system.svc # as in the ScaledObjects' scalerAddress

if [ ! -f ca.key ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
		-subj "/CN=pelton-scaler authority" -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt
fi

# issue FOLDER EXTENSIONS
issue() {
	mkdir -p "$1"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=pelton-$1" \
		-keyout "$1/tls.key" -out request.pem
	printf 'keyUsage=critical,digitalSignature\n%s\n' "$2" >extensions.txt
	openssl x509 -req -days 365 -in request.pem -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 15)" \
		-extfile extensions.txt -out "$1/tls.crt"
	cp ca.crt "$1/ca.crt"
	rm request.pem extensions.txt
}
issue scaler "extendedKeyUsage=serverAuth
subjectAltName=DNS:$host,DNS:$host.cluster.local"
issue keda "extendedKeyUsage=clientAuth"
