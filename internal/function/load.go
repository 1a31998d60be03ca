package function

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Check is a rule from above this package, such as that a filter compiles. Its problems need a path, a message and a hint;
// Load adds the place.
type Check func(*Function) []Problem

// CheckCommand is the rule of the one-machine mode: a handler needs a command to start.
func CheckCommand(f *Function) []Problem {
	if len(f.Spec.Handler.Command) > 0 || f.Spec.Handler.Image == "" {
		return nil // without both, Validate has said so
	}
	return []Problem{{
		Path:    "spec.handler.command",
		Message: "it is missing, and without a container platform there is nothing else to start",
		Hint:    "write command: [python3, handler.py]",
	}}
}

// Load reads all functions of the given files and directories. In directories, searched with all below them, it takes files
// named function.yaml, function.yml, *.function.yaml and *.function.yml; a file given by name may have any name.
//
// The error is an *Invalid with all problems of all files.
func Load(paths []string, checks ...Check) ([]*Function, error) {
	files, problems := findFiles(paths)
	var manifests []manifest
	for _, file := range files {
		found, wrong := loadFile(file, checks)
		manifests = append(manifests, found...)
		problems = append(problems, wrong...)
	}
	problems = append(problems, checkSet(manifests)...)
	if len(problems) > 0 {
		sortProblems(problems)
		return nil, &Invalid{Problems: problems}
	}
	return functionsOf(manifests), nil
}

func loadFile(file string, checks []Check) ([]manifest, []Problem) {
	data, problem := readFile(file)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	manifests, problems := parseFile(data, file)
	for _, m := range manifests {
		for _, check := range checks {
			problems = append(problems, m.locate(check(m.Function))...)
		}
	}
	return manifests, problems
}

// readFile reads a regular file of bounded size. Anything else, a pipe for one, could block for ever.
func readFile(file string) ([]byte, *Problem) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, pathProblem(file, err)
	case !info.Mode().IsRegular():
		return nil, &Problem{File: file, Message: "it is not a regular file", Hint: "name a file or a directory"}
	case info.Size() > MaxManifestSize:
		p := tooLarge(info.Size())
		p.File = file
		return nil, &p
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, pathProblem(file, err)
	}
	defer f.Close()
	// One byte more than allowed, so that a file that has grown since is seen to be too large.
	data, err := io.ReadAll(io.LimitReader(f, MaxManifestSize+1))
	if err != nil {
		return nil, pathProblem(file, err)
	}
	return data, nil
}

// findFiles lists the manifests under paths, each once however it was named.
func findFiles(paths []string) (files []string, problems []Problem) {
	if len(paths) == 0 {
		return nil, []Problem{{Message: "no manifest is named", Hint: "name files or directories"}}
	}
	seen := map[string]bool{}
	for _, path := range paths {
		found, wrong := filesAt(path)
		problems = append(problems, wrong...)
		for _, file := range found {
			if id := identity(file); !seen[id] {
				seen[id] = true
				files = append(files, file)
			}
		}
	}
	return files, problems
}

// identity is the same for all names of one file.
func identity(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	return file
}

// filesAt lists the manifests that one path stands for.
func filesAt(path string) (files []string, problems []Problem) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, []Problem{*pathProblem(path, err)}
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	files, problems = walk(path)
	if len(files) == 0 && len(problems) == 0 {
		problems = append(problems, Problem{
			File:    path,
			Message: "there is no manifest in this directory",
			Hint:    "name it function.yaml or NAME.function.yaml, or give the file by name",
		})
	}
	return files, problems
}

// walk searches a directory. The slash makes WalkDir follow a link given as the root; links to directories below it are
// not followed.
func walk(root string) (files []string, problems []Problem) {
	visit := func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			problems = append(problems, *pathProblem(path, err))
		case d.IsDir() && filepath.Clean(path) != filepath.Clean(root) && skipDir(d.Name()):
			return fs.SkipDir
		case !d.IsDir() && isManifestName(d.Name()):
			files = append(files, path)
		}
		return nil
	}
	// WalkDir returns only what visit returns, and that is never an error.
	_ = filepath.WalkDir(root+string(filepath.Separator), visit)
	return files, problems
}

// skipDir names directories that hold other people's code, build results or state.
func skipDir(name string) bool {
	switch name {
	case "node_modules", "vendor", "__pycache__", "bin":
		return true
	}
	return strings.HasPrefix(name, ".")
}

func isManifestName(name string) bool {
	stem, ok := strings.CutSuffix(name, ".yaml")
	if !ok {
		stem, ok = strings.CutSuffix(name, ".yml")
	}
	return ok && (stem == "function" || strings.HasSuffix(stem, ".function"))
}

// pathProblem says what the file system said, without repeating the path.
func pathProblem(path string, err error) *Problem {
	p := &Problem{File: path, Message: fmt.Sprintf("it cannot be read: %v", err)}
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Message, p.Hint = "there is no such file or directory", "check the path"
	case errors.Is(err, fs.ErrPermission):
		p.Message, p.Hint = "it cannot be read: permission denied", "check who owns it"
	case errors.As(err, &pathErr):
		p.Message = fmt.Sprintf("it cannot be read: %v", pathErr.Err)
	}
	return p
}
