// Command verify checks a consentgate log with Go's own note and tlog packages and says what it found.
//
// Input (stdin) and output (stdout) are JSON, see the types. It is run by test_go.py.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Size, Index int64
	Proof       [][]byte
}

type consistency struct {
	Old, New int64
	Proof    [][]byte
}

type tile struct {
	Level int
	Index int64
	Width int
	Data  []byte
}

type input struct {
	SignerKey, VerifierKey string
	Text                   string
	Note                   []byte
	Leaves                 [][]byte
	Sizes                  []int64
	Inclusion              []inclusion
	Consistency            []consistency
	Tiles                  []tile
	ReceiptKey             string
	Receipts               []string
}

type output struct {
	Signed            []byte   // the text, signed by Go
	Opened            string   // the text of the note, opened by Go
	Roots             [][]byte // computed by Go, by size
	Inclusion         []string // errors, or "" where Go accepts the proof and makes the same
	Consistency       []string
	Tiles             []string
	Receipts          []string
	ForgedInclusion   []string // the same with the last bit of the root changed: must all be errors
	ForgedConsistency []string
}

var storage []tlog.Hash

func read(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = storage[index]
	}
	return found, nil
}

func hashes(proof [][]byte) []tlog.Hash {
	list := make([]tlog.Hash, len(proof))
	for i, item := range proof {
		copy(list[i][:], item)
	}
	return list
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func text(err error, same bool) string {
	if err != nil {
		return err.Error()
	}
	if !same {
		return "Go makes another proof"
	}
	return ""
}

func root(size int64) tlog.Hash {
	hash, err := tlog.TreeHash(size, tlog.HashReaderFunc(read))
	check(err)
	return hash
}

// receipt checks a consentgate receipt as its format is documented: entry, tlog-proof, checkpoint.
func receipt(data string, keys note.Verifiers) error {
	head, proof, _ := strings.Cut(data, "\n\n")
	path, signed, _ := strings.Cut(proof, "\n\n")
	lines, steps := strings.Split(head, "\n"), strings.Split(path, "\n")
	if len(lines) < 3 || len(steps) < 2 {
		return errors.New("no receipt")
	}
	opened, err := note.Open([]byte(signed), keys)
	if err != nil {
		return err
	}
	checkpoint := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(checkpoint[1], 10, 64)
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(steps[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var decoded [][]byte
	for _, text := range append(steps[2:], checkpoint[2]) {
		hash, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(hash) != tlog.HashSize {
			return errors.New("no hash")
		}
		decoded = append(decoded, hash)
	}
	all := hashes(decoded)
	leaf := tlog.RecordHash([]byte(strings.TrimPrefix(lines[1], "entry ")))
	return tlog.CheckRecord(all[:len(all)-1], size, all[len(all)-1], index, leaf)
}

func main() {
	var in input
	var out output
	check(json.NewDecoder(os.Stdin).Decode(&in))
	reader := tlog.HashReaderFunc(read)

	signer, err := note.NewSigner(in.SignerKey)
	check(err)
	verifier, err := note.NewVerifier(in.VerifierKey)
	check(err)
	out.Signed, err = note.Sign(&note.Note{Text: in.Text}, signer)
	check(err)
	opened, err := note.Open(in.Note, note.VerifierList(verifier))
	check(err)
	out.Opened = opened.Text

	for i, leaf := range in.Leaves {
		stored, err := tlog.StoredHashes(int64(i), leaf, reader)
		check(err)
		storage = append(storage, stored...)
	}
	for _, size := range in.Sizes {
		hash := root(size)
		out.Roots = append(out.Roots, hash[:])
	}
	for _, p := range in.Inclusion {
		made, err := tlog.ProveRecord(p.Size, p.Index, reader)
		check(err)
		leaf, top := tlog.RecordHash(in.Leaves[p.Index]), root(p.Size)
		err = tlog.CheckRecord(hashes(p.Proof), p.Size, top, p.Index, leaf)
		out.Inclusion = append(out.Inclusion, text(err, fmt.Sprint(hashes(p.Proof)) == fmt.Sprint([]tlog.Hash(made))))
		top[31] ^= 1
		err = tlog.CheckRecord(hashes(p.Proof), p.Size, top, p.Index, leaf)
		out.ForgedInclusion = append(out.ForgedInclusion, text(err, true))
	}
	for _, p := range in.Consistency {
		made, err := tlog.ProveTree(p.New, p.Old, reader)
		check(err)
		before, after := root(p.Old), root(p.New)
		err = tlog.CheckTree(hashes(p.Proof), p.New, after, p.Old, before)
		same := fmt.Sprint(hashes(p.Proof)) == fmt.Sprint([]tlog.Hash(made))
		out.Consistency = append(out.Consistency, text(err, same))
		before[31] ^= 1
		err = tlog.CheckTree(hashes(p.Proof), p.New, after, p.Old, before)
		out.ForgedConsistency = append(out.ForgedConsistency, text(err, true))
	}
	for _, t := range in.Tiles {
		data, err := tlog.ReadTileData(tlog.Tile{H: 8, L: t.Level, N: t.Index, W: t.Width}, reader)
		check(err)
		message := ""
		if string(data) != string(t.Data) {
			message = "Go has other bytes for this tile"
		}
		out.Tiles = append(out.Tiles, message)
	}
	owner, err := note.NewVerifier(in.ReceiptKey)
	check(err)
	for _, data := range in.Receipts {
		out.Receipts = append(out.Receipts, text(receipt(data, note.VerifierList(owner)), true))
	}
	check(json.NewEncoder(os.Stdout).Encode(&out))
}
