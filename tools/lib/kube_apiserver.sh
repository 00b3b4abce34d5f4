# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced after install.sh: a real kube-apiserver for the functional tests.
# No package of Debian has the program; its source package is complete.

KUBE_VERSION=1.20.2 # of Debian 12; staffeln/tests/servers/kubernetes.py too
KUBE_GO=/usr/lib/go-1.19/bin

# need_kube_apiserver: build the program unless it is in the cache; by one
# process at a time, and never used half made.
need_kube_apiserver() {
    local home=$CACHE/kube-apiserver started log
    local program=$home/$KUBE_VERSION/kube-apiserver
    [ ! -x "$program" ] || return 0
    mkdir -p "$home"
    log=$home/$KUBE_VERSION.log
    (
        flock 9
        [ ! -x "$program" ] || exit 0
        started=$SECONDS
        need_packages golang-1.19-go dpkg-dev make jq rsync
        say "building kube-apiserver $KUBE_VERSION of Debian's source" \
            "package, once; this takes 2 to 5 minutes"
        if (build_kube_apiserver "$home") </dev/null >"$log" 2>&1 9>&-; then
            say "built it in $((SECONDS - started)) s"
        else
            tail -n 30 "$log" >&2
            exit 1
        fi
    ) 9>"$home/lock" || die "could not build $program"
}

# A subshell of its own, so that its trap clears up when it ends. What a
# SIGKILL left has the same name, and is cleared up by the next one.
build_kube_apiserver() ( # FOLDER
    set -euo pipefail
    scratch=$1/build
    trap 'rm -rf "$scratch"' EXIT
    rm -rf "$scratch"
    mkdir -p "$scratch"/{apt,go,cache,tmp,done}
    cd "$scratch"
    fetch_kube_source "$scratch/apt"
    mv apt/kubernetes-*/ source
    # Version 1.20 is built in a GOPATH, with what it needs in vendor/.
    mkdir -p go/src/k8s.io
    ln -s "$scratch/source" go/src/k8s.io/kubernetes
    cd go/src/k8s.io/kubernetes
    export TMPDIR=$scratch/tmp
    export GOPATH=$scratch/go GOCACHE=$scratch/cache GOENV=off
    export CGO_ENABLED=0 GOPROXY=off GOSUMDB=off GOFLAGS=
    export KUBE_GIT_VERSION=v$KUBE_VERSION KUBE_GIT_COMMIT=debian
    export KUBE_GIT_TREE_STATE=clean KUBE_GIT_MAJOR=1 KUBE_GIT_MINOR=20
    env "PATH=$KUBE_GO:$PATH" \
        make WHAT=cmd/kube-apiserver GOLDFLAGS='-s -w'
    cp _output/local/go/bin/kube-apiserver "$scratch/done/"
    "$scratch/done/kube-apiserver" --version
    rm -rf "${1:?}/$KUBE_VERSION"
    mv "$scratch/done" "$1/$KUBE_VERSION"
)

# The source package, by the sources that apt has already, with their keys;
# apt checks the signatures. What the system knows of sources stays as it is.
fetch_kube_source() { # FOLDER
    local folder=$1 file version
    local -a apt
    mkdir -p "$folder"/{sources,lists/partial,cache/archives/partial}
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" \
            >"$folder/sources/$(basename "$file")"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$file" ] || sed -n 's/^deb /deb-src /p' "$file" \
            >"$folder/sources/$(basename "$file" .list)-lines.list"
    done
    apt=(apt-get -q -o "Dir::Etc::SourceList=/dev/null"
        -o "Dir::Etc::SourceParts=$folder/sources"
        -o "Dir::State::Lists=$folder/lists"
        -o "Dir::Cache=$folder/cache"
        -o APT::Get::AllowUnauthenticated=false
        -o Acquire::AllowInsecureRepositories=false)
    "${apt[@]}" update
    cd "$folder"
    "${apt[@]}" source kubernetes
    version=$(cd kubernetes-*/ && dpkg-parsechangelog -S Version)
    [[ $version =~ (^|[a-z])"$KUBE_VERSION"- ]] ||
        die "Debian's kubernetes is $version here, not $KUBE_VERSION"
    cd "$OLDPWD"
}
