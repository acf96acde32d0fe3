//! Random functions, interpreted before and after.

use super::{isa, optimised};
use cranelift_codegen::data_value::DataValue;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, Function, InstBuilder, Signature, TrapCode, UserFuncName, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use cranelift_interpreter::environment::FunctionStore;
use cranelift_interpreter::interpreter::{Interpreter, InterpreterState};
use cranelift_interpreter::step::ControlFlow;
use proptest::prelude::*;

const VARIABLES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Number {
    Variable(usize),
    Constant(i32),
    Plus(usize, i32),
    Masked(usize, i32),
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Nonzero(Number),
    Compare(IntCC, Number, Number),
    /// In 64 bits, with signs or without.
    CompareWide(bool, IntCC, Number, Number),
}

#[derive(Clone, Debug)]
enum Statement {
    Set(usize, Number),
    /// The outcome as a number.
    Ask(usize, Question),
    Trap(bool, Question),
    If(Question, Vec<Statement>, Vec<Statement>),
    Sequence(Vec<Statement>),
    /// At most a few times.
    While(Question, Vec<Statement>),
}

fn number() -> BoxedStrategy<Number> {
    let constant = prop::sample::select(vec![0, 1, 2, 3, -1, i32::MAX, i32::MIN]);
    prop_oneof![
        4 => (0..VARIABLES).prop_map(Number::Variable),
        2 => constant.clone().prop_map(Number::Constant),
        2 => (0..VARIABLES, Just(1)).prop_map(|(v, by)| Number::Plus(v, by)),
        1 => (0..VARIABLES, constant.clone()).prop_map(|(v, by)| Number::Plus(v, by)),
        1 => (0..VARIABLES, constant).prop_map(|(v, by)| Number::Masked(v, by)),
    ]
    .boxed()
}

fn question() -> BoxedStrategy<Question> {
    let comparison = || {
        let conds = prop::sample::select(IntCC::all().to_vec());
        (any::<bool>(), conds, number(), number())
    };
    let narrow = comparison().prop_map(|(_, cond, a, b)| Question::Compare(cond, a, b));
    let wide =
        comparison().prop_map(|(signs, cond, a, b)| Question::CompareWide(signs, cond, a, b));
    prop_oneof![1 => number().prop_map(Question::Nonzero), 3 => narrow, 1 => wide].boxed()
}

/// A variable counted while it compares with a number, and checked to be less.
fn counting_loop(body: impl Strategy<Value = Vec<Statement>>) -> impl Strategy<Value = Statement> {
    let conds = prop::sample::select(vec![
        IntCC::SignedLessThan,
        IntCC::SignedLessThanOrEqual,
        IntCC::NotEqual,
        IntCC::UnsignedLessThan,
    ]);
    let start = prop::sample::select(vec![0, 0, 1, -1, i32::MAX]);
    let step = prop::sample::select(vec![1, 1, 1, 2, -1, i32::MAX]);
    let parts = (0..VARIABLES, start, conds, number(), step, body);
    parts.prop_map(|(v, start, cond, bound, step, body)| {
        let variable = Number::Variable(v);
        let check = Question::Compare(IntCC::UnsignedLessThan, variable, bound);
        let mut statements = vec![Statement::Trap(true, check)];
        statements.extend(body);
        statements.push(Statement::Set(v, Number::Plus(v, step)));
        let goes_on = Question::Compare(cond, variable, bound);
        Statement::Sequence(vec![
            Statement::Set(v, Number::Constant(start)),
            Statement::While(goes_on, statements),
        ])
    })
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let leaf = prop_oneof![
        2 => (0..VARIABLES, number()).prop_map(|(v, number)| Statement::Set(v, number)),
        2 => (0..VARIABLES, question()).prop_map(|(v, question)| Statement::Ask(v, question)),
        3 => (any::<bool>(), question()).prop_map(|(z, question)| Statement::Trap(z, question)),
    ];
    let statement = leaf.prop_recursive(4, 40, 5, |inner| {
        let list = prop::collection::vec(inner, 0..5);
        prop_oneof![
            (question(), list.clone(), list.clone()).prop_map(|(q, a, b)| Statement::If(q, a, b)),
            (question(), list.clone()).prop_map(|(q, body)| Statement::While(q, body)),
            counting_loop(list),
        ]
    });
    prop::collection::vec(statement, 1..8)
}

/// Makes a function of statements.
struct Maker<'a> {
    b: FunctionBuilder<'a>,
    variables: Vec<Variable>,
    /// How often loops may still go on.
    fuel: Variable,
    traps: u8,
}

impl Maker<'_> {
    fn number(&mut self, number: Number) -> Value {
        match number {
            Number::Variable(v) => self.b.use_var(self.variables[v]),
            Number::Constant(constant) => self.b.ins().iconst(types::I32, i64::from(constant)),
            Number::Plus(v, by) => {
                let value = self.b.use_var(self.variables[v]);
                self.b.ins().iadd_imm_s(value, i64::from(by))
            }
            Number::Masked(v, mask) => {
                let value = self.b.use_var(self.variables[v]);
                self.b.ins().band_imm_s(value, i64::from(mask))
            }
        }
    }

    fn ask(&mut self, question: Question) -> Value {
        match question {
            Question::Nonzero(number) => self.number(number),
            Question::Compare(cond, left, right) => {
                let (left, right) = (self.number(left), self.number(right));
                self.b.ins().icmp(cond, left, right)
            }
            Question::CompareWide(signs, cond, left, right) => {
                let [left, right] = [left, right].map(|number| {
                    let number = self.number(number);
                    match signs {
                        true => self.b.ins().sextend(types::I64, number),
                        false => self.b.ins().uextend(types::I64, number),
                    }
                });
                self.b.ins().icmp(cond, left, right)
            }
        }
    }

    fn enter(&mut self, block: Block) {
        self.b.switch_to_block(block);
    }

    fn run(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Sequence(statements) => self.run(statements),
            Statement::Set(v, number) => {
                let value = self.number(*number);
                self.b.def_var(self.variables[*v], value);
            }
            Statement::Ask(v, question) => {
                let [yes, no, meet] = [(); 3].map(|()| self.b.create_block());
                let outcome = self.ask(*question);
                self.b.ins().brif(outcome, yes, &[], no, &[]);
                for (block, outcome) in [(yes, 1), (no, 0)] {
                    self.enter(block);
                    let outcome = self.b.ins().iconst(types::I32, outcome);
                    self.b.def_var(self.variables[*v], outcome);
                    self.b.ins().jump(meet, &[]);
                }
                self.enter(meet);
            }
            Statement::Trap(if_zero, question) => {
                let outcome = self.ask(*question);
                self.traps = self.traps % 200 + 1;
                let code = TrapCode::unwrap_user(self.traps);
                match if_zero {
                    true => self.b.ins().trapz(outcome, code),
                    false => self.b.ins().trapnz(outcome, code),
                };
            }
            Statement::If(question, then, otherwise) => {
                let [yes, no, meet] = [(); 3].map(|()| self.b.create_block());
                let outcome = self.ask(*question);
                self.b.ins().brif(outcome, yes, &[], no, &[]);
                for (block, statements) in [(yes, then), (no, otherwise)] {
                    self.enter(block);
                    self.run(statements);
                    self.b.ins().jump(meet, &[]);
                }
                self.enter(meet);
            }
            Statement::While(question, body) => {
                let [head, fuelled, inside, after] = [(); 4].map(|()| self.b.create_block());
                self.b.ins().jump(head, &[]);
                self.enter(head);
                let outcome = self.ask(*question);
                self.b.ins().brif(outcome, fuelled, &[], after, &[]);
                self.enter(fuelled);
                let fuel = self.b.use_var(self.fuel);
                self.b.ins().brif(fuel, inside, &[], after, &[]);
                self.enter(inside);
                let less = self.b.ins().iadd_imm_s(fuel, -1);
                self.b.def_var(self.fuel, less);
                self.run(body);
                self.b.ins().jump(head, &[]);
                self.enter(after);
            }
        }
    }
}

fn make(statements: &[Statement]) -> Function {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params = vec![AbiParam::new(types::I32); VARIABLES];
    signature.returns = vec![AbiParam::new(types::I32); VARIABLES];
    let mut func = Function::with_name_signature(UserFuncName::testcase("f"), signature);
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut func, &mut context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let params = b.block_params(entry).to_vec();
    let variables: Vec<Variable> = params
        .iter()
        .map(|param| {
            let variable = b.declare_var(types::I32);
            b.def_var(variable, *param);
            variable
        })
        .collect();
    let fuel = b.declare_var(types::I32);
    let most = b.ins().iconst(types::I32, 8);
    b.def_var(fuel, most);
    let mut maker = Maker {
        b,
        variables: variables.clone(),
        fuel,
        traps: 0,
    };
    maker.run(statements);
    let mut b = maker.b;
    let results: Vec<Value> = variables.iter().map(|v| b.use_var(*v)).collect();
    b.ins().return_(&results);
    b.seal_all_blocks();
    b.finalize(isa().frontend_config());
    func
}

/// What a function returns, or how it traps.
fn outcome(func: &Function, arguments: &[i32; VARIABLES]) -> String {
    let mut store = FunctionStore::default();
    store.add("f".into(), func);
    let state = InterpreterState::default().with_function_store(store);
    let arguments = arguments.map(DataValue::I32);
    let outcome = Interpreter::new(state)
        .call_by_name("f", &arguments)
        .expect("it can be interpreted");
    match outcome {
        ControlFlow::Return(results) => format!("{results:?}"),
        ControlFlow::Trap(trap) => format!("{trap:?}"),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn outcomes_stay(statements in statements(), arguments in prop::array::uniform3(-2..4)) {
        let before = make(&statements);
        let after = optimised(&before);
        for arguments in [arguments, [i32::MAX, 0, arguments[2]], [arguments[0], i32::MIN, 1]] {
            prop_assert_eq!(
                outcome(&before, &arguments),
                outcome(&after, &arguments),
                "{:?}\n{}\n{}", arguments, before, after
            );
        }
    }
}
