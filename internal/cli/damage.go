package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/pelton-dev/pelton/internal/scrub"
)

// damagedFolder keeps, in the state folder, damaged files of the store as they were found, and a line for each.
const (
	damagedFolder = "damaged"
	damageReport  = "report.jsonl"
)

// sayAbove is a store of which the check may take seconds.
const sayAbove = 256 << 20

// checkStore looks for damage in the store before the server opens it: the server itself would pass over it in silence. A check
// that cannot be made keeps nobody from starting.
func (u *upRun) checkStore(store string) {
	if size := sizeOf(store); size > sayAbove {
		u.app.say("checking %d MiB of stored events for damage", size>>20)
	}
	aside := filepath.Join(u.opts.stateDir, damagedFolder)
	report, err := scrub.Run(store, aside)
	if err != nil {
		u.log.Error("the store could not be checked for damage", zap.Error(err))
		return
	}
	u.damages = report.Damages
	u.log.Info("store checked for damage", zap.Int64("bytes", report.Bytes), zap.Duration("took", report.Took),
		zap.Int("damages", len(report.Damages)))
	for _, path := range report.Unread {
		u.log.Warn("a file of the store is encrypted or compressed, and was not checked for damage", zap.String("file", path))
	}
	for _, d := range report.Damages {
		u.log.Error("the store is damaged", zap.String("stream", d.Stream), zap.String("file", d.File),
			zap.String("what", d.What), zap.Uint64s("lost", d.Lost), zap.Strings("subjects", d.Subjects))
		if u.app.json() {
			jsonView{u.out}.line("store-damaged", time.Now(), d)
		}
	}
	if err := noteDamages(aside, report.Damages); err != nil {
		u.log.Error("the damage could not be noted", zap.Error(err))
	}
}

// noteDamages appends to what earlier starts have found: what is mended is not found again.
func noteDamages(aside string, damages []scrub.Damage) error {
	if len(damages) == 0 {
		return nil
	}
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(aside, damageReport), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open report: %w", err)
	}
	for _, d := range damages {
		line, err := json.Marshal(struct {
			Time time.Time `json:"time"`
			scrub.Damage
		}{time.Now(), d})
		if err == nil {
			_, err = file.Write(append(line, '\n'))
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write report: %w", err), file.Close())
		}
	}
	return errors.Join(file.Sync(), file.Close())
}

// damageRows are what the start screen says of damage.
func (u *upRun) damageRows() [][]string {
	var rows [][]string
	for _, d := range u.damages {
		rows = append(rows, []string{"  Damage", damageText(d)})
	}
	if len(rows) > 0 {
		rows = append(rows, []string{"", "noted in " + filepath.Join(u.opts.stateDir, damagedFolder, damageReport)})
	}
	return rows
}

// damageText says what is lost, and of what.
func damageText(d scrub.Damage) string {
	text := fmt.Sprintf("stream %s, %s: %s", d.Stream, filepath.Base(d.File), d.What)
	if len(d.Lost) > 0 {
		text += fmt.Sprintf("; %s lost: %s", plural(len(d.Lost), "message"), spans(d.Lost))
	}
	if len(d.Subjects) > 0 {
		text += " on " + oneLine(strings.Join(d.Subjects, ", "), 200)
	}
	return text
}

// maxSpans is how many runs of sequences a person may want to read.
const maxSpans = 8

// spans writes ascending numbers as 3-5, 9.
func spans(numbers []uint64) string {
	var parts []string
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		if len(parts) == maxSpans {
			parts = append(parts, "...")
			break
		}
		part := fmt.Sprint(numbers[i])
		if end > i {
			part += fmt.Sprintf("-%d", numbers[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ", ")
}
